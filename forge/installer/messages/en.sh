# shellcheck shell=sh
# What the installer says, in English: message_en KEY sets `text` to a printf format. assemble.py puts this file into
# the header; another language is another file with the same keys and the same values (%s) in the same order.

# shellcheck disable=SC2034,SC2317  # called by a name that is put together; `text` is read by the header
message_en() {
    case $1 in
    # -- refused before anything is written (exit code 1)
    no_tool) text='This installer needs the command "%s", which is not on PATH.' ;;
    not_a_file) text='Cannot read "%s" as the installer file. Run it as a file with sh, dash, bash, zsh or busybox sh ("sh FILE"), not through a pipe or "<".' ;;
    no_proc) text='There is no /proc, which this installer and the packages need. In a chroot: mount -t proc proc /proc' ;;
    architecture) text='This is an installer for x86_64; this machine is %s.' ;;
    no_glibc) text='This machine has no glibc (%s is missing): the packages run on glibc %s or newer only.' ;;
    old_glibc) text='This machine has glibc %s; the packages need %s or newer.' ;;
    prefix_characters) text='The prefix "%s" holds a space or a character other than ASCII letters, digits and . _ - + @ / : it becomes part of scripts, where that does not work. Choose another%s.' ;;
    prefix_root) text='The prefix cannot be the root folder.' ;;
    prefix_length) text='The prefix "%s" has %s characters; at most %s fit into the programs.' ;;
    prefix_file) text='"%s" (or a part of its path) is not a folder.' ;;
    prefix_exists) text='"%s" exists already, and is not empty. -u brings an installation that is there to this release, -f installs between the files that are there; or choose another prefix%s.' ;;
    cache_link) text='"%s" is a symbolic link. The environments are hard links of what is in the package cache, and these do not reach through it: move it away, or link the whole prefix.' ;;
    database_on_its_way) text='The "hubctl upgrade" of "%s" has not come to its end, and has begun to change the database of the hub, which this installer cannot finish: "%s" goes on with it, "%s" goes back. Then repeat the same command.' ;;
    not_writable) text='Cannot write to "%s". Run the installer as a user who may, or choose another prefix%s.' ;;
    with_p) text=' with -p' ;;
    log_not_writable) text='Cannot write the log "%s". Choose another file with --log.' ;;
    no_log) text='The log "%s" cannot be written (a read-only or full disk?): nothing keeps what is said here.' ;;
    space) text='"%s" has %s MiB free; %s MiB are needed.' ;;
    noexec) text='Programs cannot be run from "%s" (is it mounted noexec?), and what unpacks the packages is one. Choose another folder, or mount this one with "exec".' ;;
    not_installed) text='There is no installation in "%s". -p names another prefix.' ;;
    not_installed_purge) text='There is no installation in "%s". -p names another prefix. What an --uninstall without --purge has left goes with: rm -r /etc/jupyterhub /var/lib/jupyterhub /var/log/jupyterhub /shared/jupyterhub; groupdel jupyterhub' ;;
    uninstall_declined) text='Nothing was removed.' ;;
    downgrade) text='"%s" holds release %s, and this installer has the older %s. --allow-downgrade goes back to it all the same.' ;;
    plan_failed) text='What an upgrade of "%s" would change cannot be told, so nothing was changed.' ;;
    in_the_way_package) text='%s: the package %s %s, which somebody added, does not go with this release. Remove it, and add one that does afterwards: %s' ;;
    in_the_way_pip) text='%s: pip has put %s %s where a package of this release belongs. Remove it: %s' ;;
    in_the_way_python) text='%s: %s, which somebody added, is there for Python %s, and this release has Python %s. Remove it, and add it again afterwards.' ;;
    upgrade_refused) text='Nothing in "%s" was changed. When nothing is in the way any more, repeat the same command.' ;;
    channel_link) text='"%s" is a symbolic link, and no package is written through one: replace it with the folder that it leads to, or choose another folder for the channel.' ;;
    channel_other) text='"%s" is there with other bytes than this file carries, and what a channel has published is not rewritten. Choose another folder; or remove that file, where it is damaged.' ;;
    running) text='Another installer (process %s) is at work in "%s".' ;;
    interrupted_early) text='Interrupted: nothing was changed.' ;;
    output_failed) text='This could not be written to the end: is the disk of the output full?' ;;

    # -- usage and licence (2)
    unknown_argument) text='Unknown argument "%s". -h shows what there is.' ;;
    no_value) text='%s wants a value. -h shows how.' ;;
    two_tasks) text='%s and %s cannot be done in one run. -h shows what there is.' ;;
    purge_alone) text='The flag --purge goes with --uninstall only. -h shows how.' ;;
    log_is_this_file) text='The log "%s" would be written into this very installer. Choose another file with --log.' ;;
    nobody_answers) text='The answers ended before the questions did: nothing was installed. -b asks none.' ;;
    licence_refused) text='The licence was not accepted: nothing was installed.' ;;

    # -- the file is damaged (3)
    wrong_size) text='The installer file "%s" is damaged from its part "%s" on: it has %s bytes, and should have %s. Copy it again.' ;;
    wrong_part) text='The installer file "%s" is damaged: the sha256 of its part "%s" is wrong. Copy it again.' ;;
    signature_wrong) text='"%s" is not what was signed: its signature "%s" does not fit with the key "%s".' ;;
    wrong_packages) text='The installer file "%s" is damaged. Copy it again.' ;;

    # -- failed while installing or removing (4), installed but something after that failed (5)
    failed) text='The installation in "%s" is not complete. When the cause is removed, the same command finishes it.' ;;
    channel_failed) text='The channel in "%s" is not complete. When the cause is removed, the same command finishes it.' ;;
    failed_early) text='Nothing of what is installed in "%s" was changed. When the cause is removed, the same command goes on.' ;;
    gone_back) text='This failed, and the packages in "%s" are the ones before again. When the cause is removed, repeat the same command.' ;;
    interrupted) text='Interrupted. The same command goes on with the installation in "%s".' ;;
    host_step) text='The installation is complete, but preparing the host failed. Once the cause is removed, run: %s' ;;
    context_step) text='The installation is complete, but files did not get their SELinux contexts. Once the cause is removed, run: %s' ;;
    init_step) text='The installation is complete, but the shell was not set up. Once the cause is removed, run: %s' ;;
    test_step) text='The installation is complete, but tests of packages failed; they are named above. Once the cause is removed, run: %s' ;;
    restart_step) text='The installation is complete, but the hub was not restarted. Once the cause is removed, run: %s' ;;

    # -- questions
    licence_follows) text='%s %s: please read the licence.\n' ;;
    licence_question) text='\nDo you accept the licence? [yes|no]' ;;
    answer_again) text='Please answer "yes" or "no".' ;;
    words_for_yes) text='yes Yes YES y Y' ;;
    words_for_no) text='no No NO n N' ;;
    prefix_question) text='\nWhere to install? Enter takes the path in brackets, Ctrl-C ends without a change.\n[%s]' ;;
    restart_question) text='\nThe hub runs. Start it again at the end, with the new release? Servers in containers go on, others end with it. [yes|NO]' ;;
    shell_question) text='\nSet up your shell, so that "conda activate" works in new ones? This changes a start file in %s. [YES|no]' ;;
    shell_question_root) text='\nSet up the shell of root, so that "conda activate" works in new ones? This changes a start file in %s. [yes|NO]' ;;

    # -- progress and results
    summary) text='%s %s\n  packages  %s\n  prefix    %s\n  space     %s MiB of the %s MiB that are free\n  host      %s\n  log       %s' ;;
    summary_host_prepared) text='prepared: group, folders, certificate, settings, service (-s leaves it alone)' ;;
    summary_host_skipped) text='left alone (-s)' ;;
    summary_host_of_another) text='left alone (it is set up for the hub in another prefix)' ;;
    summary_host_not_root) text='left alone (only root can prepare it)' ;;
    waiting) text='A run before this one was killed, and what it had started still works in "%s": waiting for its end.' ;;
    resuming) text='An interrupted installation is there: going on with it.' ;;
    checking) text='Checking %s packages' ;;
    planning) text='Solving the new set of packages' ;;
    changes) text='  %s: %s packages change, %s come, %s go' ;;
    changes_kept) text='  %s: these stay, which somebody added: %s' ;;
    changes_pip) text='  %s: these stay, which pip has put there ("pip check" says whether they still fit): %s' ;;
    unpacking) text='Unpacking %s packages' ;;
    linking) text='Linking the environments' ;;
    going_back) text='Going back to the packages before' ;;
    restarting) text='Starting the hub again' ;;
    restart_later) text='The hub that runs is still the one before: "%s/hubctl restart" takes the new one.' ;;
    preparing) text='Preparing the host' ;;
    testing) text='Running the tests that packages carry, in copies of the environments' ;;
    initialising) text='Setting up the shell (conda init %s)' ;;
    progress_checking) text='  checking' ;;
    progress_unpacking) text='  unpacking' ;;
    progress_linking) text='  linking' ;;
    progress_writing) text='  writing' ;;
    host_skipped) text='The host was left alone (-s).' ;;
    installed) text='\nInstalled: %s %s in %s' ;;
    next_steps) text='What to do next:\n  %s/hubctl start\n                    starts the hub at https://%s:%s\n  usermod -aG jupyterhub NAME\n                    lets the account NAME log in; at first nobody may\n  /etc/jupyterhub/hub.yaml\n                    holds its settings' ;;
    next_steps_again) text='What to do next:\n  %s/hubctl start\n                    starts the hub at https://%s:%s' ;;
    next_steps_setup) text='What to do next:\n  %s/hubctl setup\n                    as root, prepares the host; then "hubctl start"\n                    starts the hub at https://%s:%s' ;;
    next_steps_of_another) text='This host is set up for the hub in %s, and stays so. To have the new one instead:\n  %s\n                    removes that one; settings, database and files of users stay\n  %s/hubctl setup\n                    as root, prepares the host for the new one; then "hubctl start"\n                    starts it at https://%s:%s' ;;
    indexing) text='The folder holds packages of other releases, too: making an index of all of them' ;;
    channel_done) text='The channel is in %s; conda uses it with: -c "file://%s"' ;;

    # -- --uninstall
    removal_prefix) text='This will be removed:\n  %s and all that is in it' ;;
    removal_environment) text='  the environment %s, which somebody added' ;;
    removal_found) text='  (in %s stays what was there before:%s)' ;;
    removal_log) text='  %s' ;;
    removal_log_stays) text='  (the log stays: %s)' ;;
    removal_host_unknown) text='  (what was done to the host stays: %s is not complete, so it is not known)' ;;
    uninstall_question) text='Remove it? [yes|no]' ;;
    removing) text='Removing %s (a busy disk takes minutes)' ;;
    removal_host_failed) text='Nothing in "%s" was removed. When the cause is removed, repeat the same command.' ;;
    removal_failed) text='"%s" is not removed completely. When the cause is removed, repeat the same command.' ;;
    removal_empty) text='The folder %s stays, and is empty.' ;;
    removal_rest) text='%s still holds what was not installed.' ;;
    uninstalled) text='%s was removed from %s.' ;;

    # -- --check
    file_fine) text='%s: every sha256 is right, those of %s packages, too' ;;
    signature_fine) text='signature: %s was made with the key %s' ;;
    signature_none) text='signature: none is there (%s)' ;;
    signature_without_key) text='signature: %s cannot be checked without the key %s' ;;
    signature_without_tool) text='signature: %s cannot be checked without the command %s' ;;
    signature_by_old_tool) text='signature: %s cannot be checked by the ssh-keygen that is here; %s or newer can' ;;
    architecture_fine) text='architecture: %s' ;;
    glibc_fine) text='glibc: %s (%s or newer is needed)' ;;
    glibc_unknown) text='glibc: its version cannot be told; %s or newer is needed' ;;
    libstdcxx_fine) text='libstdc++: in %s' ;;
    no_libstdcxx) text='libstdc++.so.6 or libgcc_s.so.1 was not found: the proxy needs them' ;;
    prefix_fine) text='prefix: %s can be made' ;;
    prefix_over) text='prefix: %s exists and will be installed over' ;;
    prefix_resumed) text='prefix: %s holds an interrupted installation, which will be finished' ;;
    space_fine) text='space: %s has %s MiB free; %s MiB are needed' ;;
    space_unknown) text='space: how much is free in %s cannot be told; %s MiB are needed' ;;
    exec_fine) text='programs can be run from %s' ;;
    not_root) text='users: not root, so the host will be left alone' ;;
    group_fine) text='users: root; the group %s is there' ;;
    group_new) text='users: root; the group %s will be made' ;;
    no_groupadd) text='users: there is no group %s, and no groupadd to make it' ;;
    port_free) text='port %s: free' ;;
    port_of_hub) text='port %s: the hub in %s has it' ;;
    port_taken) text='port %s: something listens there already' ;;
    docker_fine) text='Docker: an engine is there' ;;
    docker_silent) text='Docker: its socket is there, but no engine answers' ;;
    no_docker) text="Docker: no engine; users' servers will run as processes of this host" ;;
    systemd_fine) text='systemd: runs; the hub becomes a service' ;;
    no_systemd) text='systemd: does not run here; "hubctl start" starts the hub' ;;
    keytab_fine) text='Kerberos: %s is there' ;;
    no_keytab) text='Kerberos: no %s; the KDC cannot be proven to be the real one' ;;
    clock_fine) text='clock: %s' ;;
    clock_alone) text='clock: %s, not synchronised' ;;
    clock_behind) text='clock: %s, which is before this release was made' ;;
    check_stops) text='What stands in the way of an installation: %s' ;;

    usage) text='Usage: sh %s [options]

Installs %s %s.

  -b            no questions; the licence counts as accepted, no start file of a shell is touched
  -p PREFIX     where to install (default %s)
  -u            bring an existing installation to this release: what somebody added with conda or pip
                stays, or is named as being in the way before anything is changed; a failure goes
                back to the packages before, and "hubctl rollback" does later
  --allow-downgrade
                with -u, also to an older release
  --restart     with -u, start the hub and its proxy again at the end, if the hub runs; without -b it
                is asked
  -f            install into an existing folder, all packages linked anew; a file that is in the
                way stays beside ours as FILE.before-hubforge
  -s            leave the host alone: no group, folders, service; "hubctl setup" prepares it later
  -t            run the tests that packages carry, when all is installed, in copies of the environments,
                which take another %s MiB for a while
  -c            set up the shell (conda init), so that "conda activate" works
  -k            keep the package cache: always done. The cache and the environments are hard links
                of the same files, so it takes a twentieth more space, and "conda create --offline"
                works from it; but a file that is edited in place is edited in all of them
  -m            no menu entries: there are none, accepted as in other installers
  --log FILE    where to keep what was said (default /var/log/hubforge-install.log; for others
                than root PREFIX-install.log); --uninstall keeps one where this is given, and the
                other tasks below keep none

Instead of an installation:

  --check       check this file and this host, a line each (ok, warning, stop); write nothing
  --list        show the packages: name, version, build, environments
  --sbom        show them as a bill of materials (CycloneDX, JSON)
  --uninstall   remove the prefix, the service and the setup of the shell; list it all and ask first.
                Settings, certificate, database and files of users stay, but for
  --purge       remove these, too: /etc, /var/lib and /var/log/jupyterhub, /shared/jupyterhub
  --extract-channel DIR
                write the packages to DIR, as a channel for conda; what a channel that is there
                holds of other releases stays in it
  -h            this text

LANG, LC_ALL, LC_CTYPE and LC_MESSAGES decide the language; HOME and SHELL whose shell -c sets up, and which.
An installation that was interrupted is finished by the same command.

Exit codes:
  0  done
  1  refused before anything was written (the machine, the prefix); --check found a stop
  2  wrong usage, or the licence was refused
  3  this file is damaged
  4  failed while installing or removing; the same command goes on
  5  installed, but a step after that failed; the last line has the command that runs it again' ;;
    esac
}
