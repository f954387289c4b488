#include "control/open_calls.h"

#include <vector>

namespace carillon::control {

void OpenCalls::Add(Call* call) {
  std::lock_guard lock(mutex_);
  calls_.insert(call);
}

void OpenCalls::Remove(Call* call) {
  std::lock_guard lock(mutex_);
  calls_.erase(call);
}

void OpenCalls::StopAll() {
  std::lock_guard lock(mutex_);
  for (Call* call : std::vector<Call*>(calls_.begin(), calls_.end())) {
    if (calls_.erase(call) > 0) call->OnStop();
  }
}

}  // namespace carillon::control
