// SPDX-License-Identifier: MIT
// Requests that change something, and those that wait for the store.
#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/clock.h"
#include "daemon/tracker/refusals.h"
#include "daemon/tracker/service.h"

namespace p2p::tracker {

void Service::mutate(Session& session, std::uint64_t frame, const msg::Request& request) {
  Asked asked;
  asked.session = session.number();
  asked.frame = frame;
  asked.key = session.key();
  asked.device = session.device();
  if (const auto* asker = registry_.account_of(asked.device)) asked.user = asker->id;
  asked.now = io::wall_now();
  asked.grant_lifetime = std::chrono::duration_cast<std::chrono::seconds>(longest_grant_);
  asked.request = request;
  const bool enters =
      request.body_case() == msg::Request::kCreateAccount || request.body_case() == msg::Request::kLogin;
  Status allowed;
  if (!enters && !session.is_logged_in()) allowed = login_required();
  else if (registry_.is_repeated(asked)) allowed = Status{};  // costs nothing and changes nothing
  else if (request.body_case() == msg::Request::kCreateAccount) allowed = prepare_account(session, asked);
  else if (request.body_case() == msg::Request::kLogin) allowed = check_login(session, asked);
  else if (request.body_case() == msg::Request::kChangePassword)
    allowed = check_password_change(session, asked);
  if (!allowed) answer(session, frame, fail(allowed.error()));
  else if (request.body_case() == msg::Request::kShareFile) share(session, std::move(asked));
  else mutations_.submit(std::move(asked));
}

Status Service::prepare_account(Session& session, Asked& asked) {
  const auto& request = asked.request.create_account();
  const auto name = user_name(request.user());
  if (!name) return fail(name.error());
  if (request.proof().size() != Passwords::kProofBytes)
    return fail(Code::InvalidArgument, "the proof of a password has 32 bytes");
  if (options_.registration == Registration::Closed) return registration_closed();
  if (!registration_rates_.take(session.source(), loop_.now()))
    return fail(Code::Busy, "too many new accounts from this address", "try again in some minutes");
  NewAccount made;
  made.id = trust::random_id<UserId>();
  made.record = passwords_.record(made.id, as_bytes(request.proof()));
  made.salt = passwords_.salt_for(*name);
  made.log_n = passwords_.log_n();
  if (options_.registration == Registration::Invite) made.invite = invite_hash(request.invite());
  asked.new_account = std::move(made);
  return {};
}

Status Service::check_proof(Session& session, const std::string& name, const std::string& proof,
                            const tl::unexpected<Error>& refusal) {
  if (proof.size() != Passwords::kProofBytes)
    return fail(Code::InvalidArgument, "the proof of a password has 32 bytes");
  const auto now = loop_.now();
  if (!login_rates_.take(session.source(), now) || !user_login_rates_.take(name, now))
    return fail(Code::Busy, "too many attempts to give a password", "try again in a minute");
  if (passwords_.fits(registry_.account(name), as_bytes(proof))) return {};
  log::info("password refused", {{"address", session.remote().text()}, {"device", session.device().hex()}});
  return refusal;
}

Status Service::check_login(Session& session, Asked& asked) {
  const auto& request = asked.request.login();
  const auto name = user_name(request.user());
  if (!name) return fail(name.error());
  if (auto status = check_proof(session, *name, request.proof(), login_refused()); !status) return status;
  asked.record = registry_.account(*name)->record;
  return {};
}

Status Service::check_password_change(Session& session, Asked& asked) {
  const auto* asker = registry_.account_of(session.device());
  if (asker == nullptr) return login_required();
  const auto& request = asked.request.change_password();
  if (request.new_proof().size() != Passwords::kProofBytes)
    return fail(Code::InvalidArgument, "the proof of a password has 32 bytes");
  if (request.new_salt().size() != Passwords::kSaltBytes)
    return fail(Code::InvalidArgument, "the salt of a password has 16 bytes");
  if (auto status = check_proof(session, asker->name, request.proof(), password_refused()); !status)
    return status;
  asked.record = asker->record;
  NewAccount made;
  made.id = asker->id;
  made.record = passwords_.record(asker->id, as_bytes(request.new_proof()));
  made.salt = to_bytes(as_bytes(request.new_salt()));
  asked.new_account = std::move(made);
  return {};
}

void Service::share(Session& session, Asked asked) {
  if (const auto allowed = registry_.may_share(asked); !allowed) {
    answer(session, asked.frame, fail(allowed.error()));
    return;
  }
  const auto entry = trust::CatalogueEntry::open(as_bytes(asked.request.share_file().entry()));
  auto list = session.uploads().take(asked.request.share_file().upload_id());
  if (!list && entry->size == 0) list = std::make_shared<const Bytes>();
  if (!list) {
    mutations_.submit(std::move(asked));  // a known share needs none
    return;
  }
  auto waiting = std::make_shared<Asked>(std::move(asked));
  scope_.run(
      checkers_,
      [entry = *entry, list] {
        return meta::Metainfo::from_piece_list(entry.name, entry.size, entry.piece_length, *list)
            .map([&list](meta::Metainfo metainfo) {
              return std::make_shared<const CheckedUpload>(CheckedUpload{std::move(metainfo), list});
            });
      },
      [this, waiting](Result<std::shared_ptr<const CheckedUpload>> upload) {
        if (upload) {
          waiting->upload = std::move(*upload);
          mutations_.submit(std::move(*waiting));
        } else if (auto* asker = sessions_.find(waiting->session)) {
          answer(*asker, waiting->frame, fail(upload.error().in("the piece list")));
        }
      });
}

void Service::read_metadata(Session& session, std::uint64_t frame, const Account& asker,
                            const msg::ReadMetadata& request) {
  const auto share = registry_.member_share(asker, request.group_id(), request.info_hash());
  if (!share) {
    answer(session, frame, fail(share.error()));
    return;
  }
  if (request.offset() > meta::piece_list_bytes((*share)->pieces)) {
    answer(session, frame, fail(Code::InvalidArgument, "the piece list is shorter than that"));
    return;
  }
  store_.read_piece_list({(*share)->group, (*share)->info_hash}, request.offset(),
                         [this, number = session.number(), frame](Result<Bytes> chunk) {
                           auto* asker_session = sessions_.find(number);
                           if (asker_session == nullptr) return;
                           if (!chunk) {
                             answer(*asker_session, frame, fail(chunk.error()));
                             return;
                           }
                           msg::Response response;
                           response.mutable_metadata()->set_data(to_string(*chunk));
                           answer(*asker_session, frame, std::move(response));
                         });
}

void Service::on_decided(const Asked& asked, const Decision& decision) {
  if (asked.operation) {
    on_operated(asked, decision);
    return;
  }
  auto* session = sessions_.find(asked.session);
  if (session != nullptr) {
    // Also for an answer that was remembered: this session may be another one than the first time.
    if (decision.answer.has_account() && registry_.account_of(asked.device) != nullptr)
      tell(DeviceNotice{asked.device});
    auto answer = decision.answer;
    if (answer.has_member())  // who is online is not the registry's to know
      if (const auto* member = registry_.account(answer.member().user()))
        answer.mutable_member()->set_online(presence_.is_online(member->id));
    session->answer(asked.frame, std::move(answer));
  }
  for (const auto& notice : decision.notices) std::visit([this](const auto& one) { tell(one); }, notice);
}

void Service::on_store_failed(const Error& error) {
  // A full disk refuses changes until there is room; after any other failure what the disk holds is no
  // longer known, and only a restart finds out.
  log::error("the store failed", {{"reason", error.message}});
  if (error.code != Code::NoSpace) on_store_failed_(error);
}

}  // namespace p2p::tracker
