#include "tools/cli/outcome.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/cord.h"
#include "gateway/base/json_escape.h"
#include "gateway/base/utf8.h"

namespace carillon::cli {
namespace {

constexpr char kAdviceUrl[] = "carillon.cli/advice";

struct Row {
  absl::StatusCode code;
  int exit_code;
  std::string_view advice;
};

constexpr Row kRows[] = {
    {absl::StatusCode::kInvalidArgument, kWrongUsage, "--help after the command says what it takes"},
    {absl::StatusCode::kUnavailable, kUnreachable,
     "is the gateway running, and is this its control port (--address)? \"carillon doctor\" looks closer"},
    {absl::StatusCode::kDeadlineExceeded, kUnreachable,
     "--timeout 30s waits longer; \"carillon doctor\" says whether the gateway answers at all"},
    {absl::StatusCode::kUnauthenticated, kDenied,
     "give a key of control.keys with --key-file FILE, CARILLON_TOKEN or a context; \"carillon context ls\" lists "
     "these"},
    {absl::StatusCode::kPermissionDenied, kDenied,
     "use a key that may, or widen this one in control.keys; \"carillon doctor\" says what the key may do"},
    {absl::StatusCode::kNotFound, kFailed,
     "lists such as \"carillon sessions\" and \"carillon streams\" say what there is"},
    {absl::StatusCode::kFailedPrecondition, kFailed,
     "the gateway's configuration decides that: see docs/configuration.md"},
    {absl::StatusCode::kResourceExhausted, kFailed, "try again in a moment, with less at a time"},
    {absl::StatusCode::kAlreadyExists, kFailed, "use another --request-id"},
    {absl::StatusCode::kAborted, kFailed, "read the log again: \"carillon history\""},
    {absl::StatusCode::kUnimplemented, kFailed, "\"carillon doctor\" compares the gateway's version with this one"},
    {absl::StatusCode::kCancelled, kOk, ""},
};
// Of reasons that say more than their code.
struct Advice {
  std::string_view reason;
  std::string_view advice;
};

constexpr Advice kAdvice[] = {
    {"LIMIT_REACHED", "the limit stays: free a place, or see docs/codes.md"},
    {"DRAIN_IS_FINAL", "start it again when it has ended"},
    {"ENDPOINT_UNKNOWN", "\"carillon config\" lists the endpoints"},
    {"TYPE_UNKNOWN", "\"carillon schemas\" lists what is registered, \"carillon register\" adds to it"},
    {"SCHEMA_IN_USE", "\"carillon bindings\" lists what is bound, \"carillon unbind\" ends that"},
};

constexpr Row kOther = {absl::StatusCode::kUnknown, kFailed, "\"carillon doctor\" and the gateway's log may say more"};

const Row& RowOf(const Status& status) {
  const Row* found =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) { return row.code == status.code(); });
  return found == std::end(kRows) ? kOther : *found;
}

}  // namespace

Status WithAdvice(Status status, std::string_view advice) {
  if (!status.ok() && !status.GetPayload(kAdviceUrl).has_value()) {
    status.SetPayload(kAdviceUrl, absl::Cord(std::string(advice)));
  }
  return status;
}

Status Failed(std::string_view what, std::string_view advice) {
  return WithAdvice(absl::UnknownError(std::string(what)), advice);
}

std::string AdviceOf(const Status& status) {
  auto own = status.GetPayload(kAdviceUrl);
  if (own.has_value()) return std::string(*own);
  std::string reason = ReasonOf(status);
  for (const Advice& each : kAdvice) {
    if (each.reason == reason) return std::string(each.advice);
  }
  return std::string(RowOf(status).advice);
}

int ExitCodeOf(const Status& status) {
  return status.ok() ? kOk : RowOf(status).exit_code;
}

int Report(const Status& status) {
  if (!status.ok() && !absl::IsCancelled(status)) {
    std::string reason = ReasonOf(status);
    Say(MessageOf(status) + (reason.empty() ? "" : " [" + reason + "]"));
    Say("try: " + AdviceOf(status));
  }
  return ExitCodeOf(status);
}

void Say(std::string_view text) {
  std::fprintf(stderr, "%s\n", Shown(text).c_str());
}

std::string Shown(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    size_t length = Utf8SequenceLength(text);
    std::string_view one = text.substr(0, std::max<size_t>(length, 1));
    auto first = static_cast<unsigned char>(one.front());
    if (length == 0 || first < 0x20 || first == 0x7f || IsObeyed(one)) {
      std::string escaped;
      AppendJsonString(escaped, one);
      shown += escaped.substr(1, escaped.size() - 2);
    } else {
      shown += one;
    }
    text.remove_prefix(one.size());
  }
  return shown;
}

}  // namespace carillon::cli
