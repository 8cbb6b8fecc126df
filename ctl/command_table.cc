// SPDX-License-Identifier: MIT
// gcc 12 sees a null pointer in CLI11's vectors of strings once everything is inlined; there is none.
// What it inlines is in <string>, so this stands above all includes.
#pragma GCC diagnostic ignored "-Wnull-dereference"

#include "ctl/command_table.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <array>
#include <limits>

namespace p2p::ctl {
namespace {

// What a command takes. Each function declares words on the command's CLI::App.
void no_words(CLI::App&, Arguments&) {}

void password_words(CLI::App& app, Arguments& to) {
  auto* from_stdin =
      app.add_flag("--password-stdin", to.password_stdin, "Read the password from standard input");
  app.add_option("--password-file", to.password_file, "Read it from a file that only its owner can read")
      ->option_text("FILE")
      ->excludes(from_stdin);
}

void create_words(CLI::App& app, Arguments& to) {
  app.add_option("NAME", to.user, "The new user's name")->required()->option_text(" ");
  app.add_option("--tracker", to.tracker, "Where: p2p://HOST:PORT/#FINGERPRINT")
      ->option_text("ADDRESS")
      ->required();
  app.add_option("--invite", to.invite, "An invitation from the tracker's operator")->option_text("TOKEN");
  password_words(app, to);
}

void original_create_words(CLI::App& app, Arguments& to) {
  app.add_option("NAME", to.user, "The new user's name")->required()->option_text(" ");
  app.add_option("--tracker", to.tracker,
                 "Where: p2p://HOST:PORT/#FINGERPRINT; the last one if not given (environment: P2P_TRACKER)")
      ->option_text("ADDRESS")
      ->envname("P2P_TRACKER");
  app.add_option("--invite", to.invite, "An invitation from the tracker's operator")->option_text("TOKEN");
  password_words(app, to);
}

void login_words(CLI::App& app, Arguments& to) {
  app.add_option("NAME", to.user, "The user's name")->required()->option_text(" ");
  app.add_option("--tracker", to.tracker, "Where: p2p://HOST:PORT/#FINGERPRINT; the last one if not given")
      ->option_text("ADDRESS");
  password_words(app, to);
}

void passwd_words(CLI::App& app, Arguments& to) {
  app.add_flag("--password-stdin", to.password_stdin,
               "Read the present and the new password from standard input, a line each");
}

void session_word(CLI::App& app, Arguments& to) {
  app.add_option("ID", to.id, "The device, or the beginning of its id")->required()->option_text(" ");
}

void group_word(CLI::App& app, Arguments& to) {
  app.add_option("GROUP", to.group, "The group")->required()->option_text(" ");
}

void optional_group_word(CLI::App& app, Arguments& to) {
  app.add_option("GROUP", to.group, "One group only")->option_text(" ");
}

void group_create_words(CLI::App& app, Arguments& to) {
  app.add_option("NAME", to.group, "The new group's name")->required()->option_text(" ");
  app.add_option("--description", to.description, "What it is for")->option_text("TEXT");
  app.add_flag("--unlisted", to.unlisted, "Only members and those they invite can find it");
}

void group_list_words(CLI::App& app, Arguments& to) {
  app.add_flag("--mine", to.mine, "Only groups that this user is in, has asked to join or is invited to");
}

void join_words(CLI::App& app, Arguments& to) {
  group_word(app, to);
  app.add_option("--message", to.message, "A word to those who decide")->option_text("TEXT");
  app.add_flag("--wait", to.wait, "Return when it is decided");
}

void decide_words(CLI::App& app, Arguments& to) {
  group_word(app, to);
  app.add_option("USER", to.users, "Who asked to join")->required()->option_text("...");
}

void group_invite_words(CLI::App& app, Arguments& to) {
  group_word(app, to);
  app.add_option("USER", to.users, "Who may join")->required()->option_text("...");
}

void member_words(CLI::App& app, Arguments& to) {
  group_word(app, to);
  app.add_option("USER", to.user, "The member")->required()->option_text(" ");
}

void share_words(CLI::App& app, Arguments& to) {
  app.add_option("PATH", to.path, "The file")->required()->option_text(" ");
  group_word(app, to);
  app.add_option("--name", to.name, "Its name in the group; the file's own if not given")
      ->option_text("NAME");
  app.add_flag("--wait", to.wait, "Return when it is listed and served");
}

void file_word(CLI::App& app, Arguments& to) {
  app.add_option("GROUP/NAME", to.file, "The file")->required()->option_text(" ");
}

void start_words(CLI::App& app, Arguments& to) {
  file_word(app, to);
  app.add_option("-o,--output", to.output, "Folder or file to write to")->option_text("DIR|FILE");
  app.add_flag("--wait", to.wait, "Return when it is complete");
  app.add_option("--on-exist", to.on_exist, "If there is such a file: fail, rename or overwrite")
      ->option_text("WHAT")
      ->check(CLI::IsMember({"fail", "rename", "overwrite"}));
}

void id_word(CLI::App& app, Arguments& to) {
  app.add_option("ID", to.id, "The download, or the beginning of its id")->required()->option_text(" ");
}

void ids_word(CLI::App& app, Arguments& to) {
  app.add_option("ID", to.ids, "Downloads, or the beginnings of their ids")->required()->option_text("...");
}

void watch_words(CLI::App& app, Arguments& to) {
  app.add_flag("--watch", to.watch, "Show it every second until Ctrl-C");
}

void limits_words(CLI::App& app, Arguments& to) {
  app.add_option("--upload", to.upload, "Bytes a second: 20MiB, 512K, unlimited")->option_text("RATE");
  app.add_option("--download", to.download, "Bytes a second")->option_text("RATE");
}

void original_download_words(CLI::App& app, Arguments& to) {
  group_word(app, to);
  app.add_option("FILE", to.name, "The file's name")->required()->option_text(" ");
  app.add_option("DEST", to.output, "Folder or file to write to")->required()->option_text(" ");
}

void original_stop_words(CLI::App& app, Arguments& to) {
  group_word(app, to);
  app.add_option("FILE", to.name, "The file's name")->required()->option_text(" ");
}

void user_word(CLI::App& app, Arguments& to) {
  app.add_option("NAME", to.user, "The user")->required()->option_text(" ");
}

void reset_words(CLI::App& app, Arguments& to) {
  user_word(app, to);
  password_words(app, to);
  app.add_flag("--generate", to.generate, "Make a password up and print it; so without anybody to ask");
}

void backup_words(CLI::App& app, Arguments& to) {
  app.add_option("FILE", to.path, "Where to; must not exist yet")->required()->option_text(" ");
}

void invite_words(CLI::App& app, Arguments& to) {
  app.add_option("--uses", to.uses, "How many accounts can be made with it; one if not given")
      ->option_text("N")
      ->check(CLI::Range(std::uint32_t{1}, std::numeric_limits<std::uint32_t>::max()));
  app.add_option("--expires", to.expires, "How long it can be used: 12h, 7d; a week if not given")
      ->option_text("DURATION");
}

constexpr std::array kNouns{
    NounRow{"account", "Your account on a tracker"},
    NounRow{"account sessions", "The devices that are logged in to your account"},
    NounRow{"group", "Groups: create, join, decide who joins"},
    NounRow{"file", "What groups share"},
    NounRow{"download", "Downloads of this device"},
    NounRow{"limits", "How fast this device sends and receives"},
    NounRow{"daemon", "The daemon of this device"},
    NounRow{"tracker", "For a tracker's operator, with --socket of its control socket"},
    NounRow{"tracker user", "The tracker's accounts"},
    NounRow{"tracker group", "The tracker's groups"},
    NounRow{"requests", "Requests to join", Place::Hidden},
};

constexpr auto kPasswordDetails =
    "The password is asked for without showing it, or read with --password-stdin or --password-file. It is "
    "never taken from the command line, and it never leaves p2pctl.";
constexpr auto kWaitDetails =
    "Without --wait it returns once the daemon has taken it on; what can be refused is refused before that. "
    "Ctrl-C ends the wait and not the work.";
constexpr auto kOperatorDetails = "Asks the tracker itself: --socket PATH of its control socket.";

constexpr std::array kCommands{
    CommandRow{"account", "create", "Make an account and log in", create_words, account_create, Place::Listed,
               kPasswordDetails},
    CommandRow{"account", "login", "Log in on this device", login_words, account_login, Place::Listed,
               "Shares and downloads of an earlier login go on by themselves."},
    CommandRow{"account", "logout", "Stop sharing and end this device's session", no_words, account_logout,
               Place::Listed,
               "Works without the tracker too. The next login resumes every share and download."},
    CommandRow{"account", "whoami", "Show who is logged in", no_words, account_whoami, Place::Listed,
               "Exit status 4 when nobody is."},
    CommandRow{"account", "passwd", "Change your password", passwd_words, account_passwd, Place::Listed,
               "Asks for the present password and twice for the new one."},
    CommandRow{"account sessions", "list", "List the devices that are logged in", no_words,
               account_sessions_list},
    CommandRow{
        "account sessions", "revoke", "Log another device out", session_word, account_sessions_revoke,
        Place::Listed,
        "Its session ends at once and other members no longer talk to it. For this device: account logout."},
    CommandRow{"group", "create", "Make a group and own it", group_create_words, group_create},
    CommandRow{"group", "list", "List groups", group_list_words, group_list},
    CommandRow{"group", "show", "Show a group", group_word, group_show},
    CommandRow{
        "group", "join", "Ask to join a group", join_words, group_join, Place::Listed,
        "An admin of the group decides; with --wait the answer is waited for. Who is invited is a member "
        "at once."},
    CommandRow{"group", "leave", "Leave a group", group_word, group_leave, Place::Listed,
               "An owner transfers the group first; when the last member leaves, the group ends."},
    CommandRow{"group", "requests", "List who asks to join", optional_group_word, group_requests},
    CommandRow{"group", "accept", "Let users in", decide_words, group_accept},
    CommandRow{"group", "reject", "Turn users down", decide_words, group_reject},
    CommandRow{"group", "invite", "Let users join without asking", group_invite_words, group_invite,
               Place::Listed,
               "Who is invited sees the group, an unlisted one too, and is a member with 'group join'. Who "
               "has asked already is accepted. 'group reject' takes an invitation back."},
    CommandRow{"group", "members", "List a group's members", group_word, group_members},
    CommandRow{"group", "promote", "Make a member an admin", member_words, group_promote, Place::Listed,
               "Admins decide who joins, remove members and withdraw files. Only the owner promotes."},
    CommandRow{"group", "demote", "Make an admin an ordinary member", member_words, group_demote,
               Place::Listed, "Only the owner demotes others; an admin may demote itself."},
    CommandRow{
        "group", "remove", "Remove a member", member_words, group_remove, Place::Listed,
        "Says how many of the online members' daemons have closed their links with the member. What the "
        "member has downloaded stays with it. Asks first on a terminal; -y answers yes."},
    CommandRow{"group", "transfer", "Give a group to another member", member_words, group_transfer,
               Place::Listed, "You stay an admin. Asks first on a terminal; -y answers yes."},
    CommandRow{"file", "share", "Share a file with a group", share_words, file_share, Place::Listed,
               kWaitDetails},
    CommandRow{"file", "list", "List shared files", optional_group_word, file_list},
    CommandRow{"file", "show", "Show a shared file", file_word, file_show, Place::Listed,
               "With --json the hashes of all pieces too."},
    CommandRow{
        "file", "unshare", "Stop serving a file on this device", file_word, file_unshare, Place::Listed,
        "Other members who have it go on, and the file stays where it is. Exit status 6 if this device "
        "does not serve it."},
    CommandRow{
        "file", "withdraw", "Take a file out of the group", file_word, file_withdraw, Place::Listed,
        "By its sharer or an admin. Every member stops serving it, and files stay where they are. Asks "
        "first on a terminal; -y answers yes."},
    CommandRow{"download", "start", "Download a file", start_words, download_start, Place::Listed,
               kWaitDetails},
    CommandRow{"download", "list", "List downloads", watch_words, download_list, Place::Listed,
               "With --watch and --json: a document a line, every second."},
    CommandRow{"download", "show", "Show a download", id_word, download_show},
    CommandRow{"download", "pause", "Stop downloads for now", ids_word, download_pause, Place::Listed,
               "What has been verified stays, also over restarts."},
    CommandRow{"download", "resume", "Go on with downloads", ids_word, download_resume, Place::Listed,
               "Those that were paused, and those that failed."},
    CommandRow{
        "download", "cancel", "Give downloads up", ids_word, download_cancel, Place::Listed,
        "What has arrived is removed. Asks first on a terminal if that is more than nothing; -y answers "
        "yes."},
    CommandRow{
        "download", "forget", "Drop downloads from the list", ids_word, download_forget, Place::Listed,
        "Those that are complete, failed or cancelled. A complete file stays where it is and is shared no "
        "longer."},
    CommandRow{"download", "wait", "Wait until downloads are complete", ids_word, download_wait,
               Place::Listed, "Exit status 10 when --timeout ends the wait before."},
    CommandRow{"limits", "show", "Show the limits", no_words, limits_show},
    CommandRow{"limits", "set", "Set the limits", limits_words, limits_set},
    CommandRow{"daemon", "doctor", "Check what can go wrong, and say what to do", no_words, daemon_doctor,
               Place::Listed, "Exit status 1 when a check is bad."},
    CommandRow{"tracker", "address", "Show the address to give to users", no_words, tracker_address,
               Place::Listed, kOperatorDetails},
    CommandRow{"tracker", "status", "Show what the tracker does", no_words, tracker_status, Place::Listed,
               kOperatorDetails},
    CommandRow{"tracker user", "list", "List accounts", no_words, tracker_user_list, Place::Listed,
               kOperatorDetails},
    CommandRow{"tracker user", "disable", "Shut an account out", user_word, tracker_user_disable,
               Place::Listed,
               "Ends its sessions and voids what its devices hold, at once. Memberships stay for 'enable'."},
    CommandRow{"tracker user", "enable", "Let a disabled account in again", user_word, tracker_user_enable,
               Place::Listed, kOperatorDetails},
    CommandRow{
        "tracker user", "reset-password", "Give an account a new password", reset_words,
        tracker_user_reset_password, Place::Listed,
        "Asks for it twice. Without anybody to ask one is made up and printed. Every device of the user "
        "has to log in again."},
    CommandRow{"tracker group", "list", "List groups, the unlisted ones too", no_words, tracker_group_list,
               Place::Listed, kOperatorDetails},
    CommandRow{
        "tracker", "backup", "Write a copy of everything to one file", backup_words, tracker_backup,
        Place::Listed,
        "Consistent while the tracker runs, and with its keys. p2p-trackerd --restore FILE --data-dir DIR "
        "makes a tracker of it."},
    CommandRow{"tracker", "invite", "Make an invitation", invite_words, tracker_invite, Place::Listed,
               "A token for 'account create --invite', where registration asks for one."},
    CommandRow{"", "status", "Account, tracker and transfers on one page", watch_words, daemon_status,
               Place::Listed, "With --watch and --json: a document a line, every second."},
    CommandRow{"", "share", "file share", share_words, file_share, Place::Shortcut, kWaitDetails},
    CommandRow{"", "get", "download start", start_words, download_start, Place::Shortcut, kWaitDetails},
    CommandRow{"", "ls", "file list", optional_group_word, file_list, Place::Shortcut},
    CommandRow{"", "login", "account login", login_words, account_login, Place::Shortcut, kPasswordDetails},
    CommandRow{"", "logout", "account logout", no_words, account_logout, Place::Shortcut},
    CommandRow{"", "join", "group join", join_words, group_join, Place::Shortcut},
    // The words of the original system.
    CommandRow{"", "create_user", "account create", original_create_words, original_create_user,
               Place::Hidden, kPasswordDetails},
    CommandRow{"", "create_group", "group create", group_create_words, group_create, Place::Hidden},
    CommandRow{"", "join_group", "group join", join_words, group_join, Place::Hidden},
    CommandRow{"", "leave_group", "group leave", group_word, group_leave, Place::Hidden},
    CommandRow{"", "list_requests", "group requests", group_word, group_requests, Place::Hidden},
    CommandRow{"requests", "list_requests", "group requests", group_word, group_requests, Place::Hidden},
    CommandRow{"", "accept_request", "group accept", decide_words, group_accept, Place::Hidden},
    CommandRow{"", "reject_request", "group reject", decide_words, group_reject, Place::Hidden},
    CommandRow{"", "list_groups", "group list", group_list_words, group_list, Place::Hidden},
    CommandRow{"", "list_files", "file list", group_word, file_list, Place::Hidden},
    CommandRow{"", "upload_file", "file share", share_words, file_share, Place::Hidden},
    CommandRow{"", "download_file", "download start", original_download_words, original_download_file,
               Place::Hidden},
    CommandRow{"", "show_downloads", "download list", no_words, original_show_downloads, Place::Hidden},
    CommandRow{"", "stop_share", "file unshare", original_stop_words, original_stop_share, Place::Hidden},
};

}  // namespace

std::span<const NounRow> nouns() { return kNouns; }
std::span<const CommandRow> commands() { return kCommands; }

}  // namespace p2p::ctl
