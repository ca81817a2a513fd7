#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>

#define MAX_THREADS 8 /* each decoder holds a window of some MiB */

static int processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < MAX_THREADS ? count : MAX_THREADS;
}

void on_all_processors(void *(*work)(void *), void *argument) {
    pthread_t threads[MAX_THREADS];
    int started = 0;
    while (started < processors() - 1 && pthread_create(&threads[started], NULL, work, argument) == 0)
        started++;
    work(argument);
    while (started > 0)
        pthread_join(threads[--started], NULL);
}
