# shellcheck shell=sh
# What the installer says, in English: message_en KEY sets `text` to a printf format. assemble.py puts this file into
# the header; another language is another file with the same keys.

# shellcheck disable=SC2034  # `text` is read by the header
message_en() {
    case $1 in
    # -- refused before anything is written (exit code 1)
    no_tool) text='This installer needs the command "%s", which is not on PATH.' ;;
    not_a_file) text='Cannot read the installer file "%s": run it as a file, "sh FILE", not through a pipe.' ;;
    architecture) text='This is an installer for x86_64; this machine is %s.' ;;
    no_glibc) text='This machine has no glibc (%s is missing): the packages run on glibc %s or newer only.' ;;
    old_glibc) text='This machine has glibc %s; the packages need %s or newer.' ;;
    prefix_characters) text='The prefix "%s" holds a space or a character other than ASCII letters, digits and . _ - + @ / : it becomes part of scripts, where that does not work. Choose another with -p.' ;;
    prefix_root) text='The prefix cannot be the root folder.' ;;
    prefix_length) text='The prefix "%s" has %s characters; at most %s fit into the programs.' ;;
    prefix_file) text='"%s" (or a part of its path) is not a folder.' ;;
    prefix_exists) text='"%s" exists already. -u brings an existing installation to this release; -p chooses another prefix.' ;;
    not_writable) text='Cannot write to "%s". Run the installer as a user who may, or choose another prefix with -p.' ;;
    space) text='"%s" has %s MiB free; %s MiB are needed.' ;;
    noexec) text='Programs cannot be run from "%s" (is it mounted noexec?).' ;;
    running) text='Another installer (process %s) is at work in "%s".' ;;

    # -- usage and licence (2)
    unknown_argument) text='Unknown argument "%s". -h shows what there is.' ;;
    no_value) text='%s wants a value. -h shows how.' ;;
    licence_refused) text='The licence was not accepted: nothing was installed.' ;;

    # -- the file is damaged (3)
    wrong_size) text='The installer file "%s" is damaged: it has %s bytes, and should have %s. Copy it again.' ;;
    wrong_part) text='The installer file "%s" is damaged: the sha256 of its part "%s" is wrong. Copy it again.' ;;
    wrong_packages) text='The installer file "%s" is damaged. Copy it again.' ;;

    # -- failed while installing (4), a host step failed (5)
    failed) text='The installation in "%s" is not complete. When the cause is removed, the same command finishes it.' ;;
    interrupted) text='Interrupted. The same command goes on with the installation in "%s".' ;;
    cannot_write) text='Cannot write below "%s".' ;;
    host_step) text='The installation is complete, but preparing the host failed. Once the cause is removed, run this installer again with -u.' ;;

    # -- questions
    licence_follows) text='%s %s: please read the licence.\n' ;;
    licence_question) text='\nDo you accept the licence? [yes|no]' ;;
    licence_again) text='Please answer "yes" or "no".' ;;
    prefix_question) text='\nWhere to install? Enter takes the path in brackets, Ctrl-C ends without a change.\n[%s]' ;;

    # -- progress and results
    summary) text='%s %s: %s packages to %s (%s MiB)' ;;
    resuming) text='An interrupted installation is there: going on with it.' ;;
    checking) text='Checking %s packages' ;;
    unpacking) text='Unpacking %s packages' ;;
    linking) text='Linking the environments' ;;
    preparing) text='Preparing the host' ;;
    host_skipped) text='The host was left alone (-s).' ;;
    installed) text='\nInstalled: %s %s in %s' ;;
    channel_done) text='The channel is in %s; conda uses it with: -c file://%s' ;;

    usage) text='Usage: sh %s [options]

Installs %s %s.

  -b                     no questions; the licence counts as accepted
  -p PREFIX              where to install (default %s)
  -u                     bring an existing installation to this release
  -f                     install into an existing folder, all packages linked anew
  -s                     leave the host alone: no users, folders, services
  -k                     keep the package cache: always done, the cache and the environments are
                         hard links of the same files, so it costs next to nothing and makes
                         "conda create --offline" work
  -m                     no menu entries: there are none, accepted as in other installers
  --extract-channel DIR  only write the packages to DIR, as a channel for conda
  --list                 only show the packages: name, version, build, environments
  -h                     this text

An installation that was interrupted is finished by the same command.

Exit codes:
  0  done
  1  refused before anything was written (the machine, the prefix)
  2  wrong usage, or the licence was refused
  3  this file is damaged
  4  failed while installing; the same command goes on
  5  installed, but preparing the host failed' ;;
    esac
}
