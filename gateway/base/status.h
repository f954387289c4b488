#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// absl::Status with messages made by fmt. Debian's abseil has a string_view of its own, so messages are built as
// std::string here and nowhere else (docs/adr/0001).
namespace carillon {

using absl::Status;
using absl::StatusOr;

template <class... Args>
Status InvalidArgument(fmt::format_string<Args...> format, Args&&... args) {
  return absl::InvalidArgumentError(fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
Status FailedPrecondition(fmt::format_string<Args...> format, Args&&... args) {
  return absl::FailedPreconditionError(fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
Status ResourceExhausted(fmt::format_string<Args...> format, Args&&... args) {
  return absl::ResourceExhaustedError(fmt::format(format, std::forward<Args>(args)...));
}

// InvalidArgument that names the request's field, in its message and for the BadRequest detail.
Status FieldError(std::string_view field, std::string_view description);

// The status with a reason for programs (google.rpc.ErrorInfo), where its code alone does not say which one it is.
Status WithReason(Status status, std::string_view reason);

// The reason that WithReason gave, or "".
std::string ReasonOf(const Status& status);

// The field that FieldError named, or "".
std::string FieldOf(const Status& status);

// The status's message, as the string type that the rest of the code uses.
inline std::string MessageOf(const Status& status) {
  return std::string(status.message());
}

#define CARILLON_CONCAT_INNER(a, b) a##b
#define CARILLON_CONCAT(a, b) CARILLON_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expression)                                           \
  do {                                                                        \
    if (::absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_INNER(CARILLON_CONCAT(status_or_, __LINE__), declaration, expression)
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses
#define ASSIGN_OR_RETURN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                                   \
  if (!temporary.ok()) return temporary.status();                  \
  declaration = std::move(*temporary)
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace carillon
