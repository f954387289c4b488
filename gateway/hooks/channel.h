#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace carillon::hooks {

// TLS to a backend: the texts of PEM files.
struct ChannelTls {
  std::string authorities;  // empty: those of the system
  std::string certificate;  // empty: none
  std::string key;

  bool operator==(const ChannelTls&) const = default;
};

// Calls of one backend over gRPC, as bytes: whoever calls knows what they mean. Reconnects by itself, at most a second
// after it could.
//
// This is the only file that includes gRPC here, and is not built with ThreadSanitizer (see CMakeLists.txt): what it is
// given and gives back are plain bytes and numbers.
class Channel {
 public:
  // How a call ended: gRPC's status code, and the answer's bytes where that is 0.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Thread: any; also the one of Start or Cancel, before they return. Nothing of the call is touched after it.
    virtual void OnEnd(uint64_t call, int code, std::string response) = 0;
  };

  // `tls` null: none. `key` empty: none is sent. The owner must outlive every call.
  Channel(Owner& owner, const std::string& address, const ChannelTls* tls, std::string key);
  ~Channel();

  // Calls a method ("/carillon.v1.HooksService/Authenticate"); the end comes once, by the deadline. INVARIANT: no other
  // call that runs has this number. Thread: any.
  void Start(uint64_t call, const char* method, const std::string& request, std::chrono::milliseconds deadline);

  // Ends a call early, where it still runs. Thread: any.
  void Cancel(uint64_t call);

 private:
  struct Calls;
  const std::shared_ptr<Calls> calls_;
};

}  // namespace carillon::hooks
