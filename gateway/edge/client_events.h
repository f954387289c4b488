#pragma once

#include <optional>

#include "gateway/auth/app.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/limit_warnings.h"
#include "gateway/edge/session_state.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// Why an event may not be published at all, or nothing. Pure.
std::optional<dialect::Refusal> JudgeEvent(const auth::EventRule& rule, const auth::Identity* identity,
                                           const dialect::Publish& event);

// What the app's rules make of an event that may be: the command that it stands for, which is judged as if the client
// had said that itself, or what is wrong. Nothing where it stands for none. Pure.
using Meaning = std::variant<std::monostate, dialect::Command, dialect::Refusal>;
Meaning MeaningOf(const auth::EventRule& rule, const auth::App& app, const auth::Identity* identity,
                  const dialect::Publish& event);

// Deals with such an event: answers it, or returns the command that it stands for. *forbidden: the session may not.
// *question: a backend is to be asked first; it is to be called again with the answer in SessionState::known.
// `warnings` null: nobody is warned. Thread: the session's shard's.
std::optional<dialect::Command> AnswerEvent(hub::Session& session, SessionState& state, const auth::App& app,
                                            LimitWarnings* warnings, const dialect::Publish& event, bool* forbidden,
                                            std::optional<Question>* question);

}  // namespace carillon::edge
