#pragma once

#include <mutex>
#include <set>

namespace carillon::control {

// The calls that last as long as their callers like, and are to be told that the gateway ends. Any thread.
class OpenCalls {
 public:
  class Call {
   public:
    virtual ~Call() = default;

    // Once at most. May end the call, and with it this object.
    virtual void OnStop() = 0;
  };

  void Add(Call* call);

  // Returns when OnStop does not run, or is what called this.
  void Remove(Call* call);

  void StopAll();

 private:
  std::recursive_mutex mutex_;  // OnStop may come back as Remove
  std::set<Call*> calls_;
};

}  // namespace carillon::control
