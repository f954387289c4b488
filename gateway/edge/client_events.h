#pragma once

#include <optional>

#include "gateway/auth/app.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/limit_warnings.h"
#include "gateway/edge/session_state.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// What the app's rules make of an event that a client published to no stream: the command that it stands for, which is
// judged as if the client had said that itself, or what is wrong. Nothing where backends are to get it. Pure.
using Meaning = std::variant<std::monostate, dialect::Command, dialect::Refusal>;
Meaning MeaningOf(const auth::EventRule& rule, const auth::App& app, const auth::Identity* identity,
                  const dialect::Publish& event);

// Deals with such an event: answers it, or returns the command that it stands for. *forbidden: the session may not.
// `warnings` null: nobody is warned. Thread: the session's shard's.
std::optional<dialect::Command> AnswerEvent(hub::Session& session, SessionState& state, const auth::App& app,
                                            LimitWarnings* warnings, const dialect::Publish& event, bool* forbidden);

}  // namespace carillon::edge
