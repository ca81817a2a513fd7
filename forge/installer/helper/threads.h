/* The same work on all processors. */
#ifndef HUBFORGE_THREADS_H
#define HUBFORGE_THREADS_H

/* Runs `work` with `argument` in one thread for each processor, the caller's among them; returns when all have ended. */
void on_all_processors(void *(*work)(void *), void *argument);

#endif
