#include "tools/cli/command_runner.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "tools/cli/outcome.h"

namespace carillon::cli {
namespace {

using std::chrono::system_clock;

constexpr size_t kMaxOut = 1 << 20;
constexpr size_t kMaxErr = 4096;
constexpr size_t kShownErr = 200;

// A file descriptor that is closed with it. Children do not inherit it.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }
  void Take(int number) {
    Close();
    number_ = number;
  }
  void Close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

Status CannotStart(const std::string& command, int error) {
  return absl::InternalError(fmt::format("cannot start {}: {}", command, std::strerror(error)));
}

// The input as a file: the command may read it or not, and nobody waits for it.
bool Fill(int file, const std::string& input) {
  size_t at = 0;
  while (at < input.size()) {
    ssize_t written = ::write(file, input.data() + at, input.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += static_cast<size_t>(written);
  }
  return ::lseek(file, 0, SEEK_SET) == 0;
}

// One process, in a group of its own, and the ends of its pipes.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) Kill();
  }

  Status Start(const std::vector<std::string>& command, const std::string& variable, const std::string& input);

  // Until it has ended and its pipes are closed.
  Status Listen(system_clock::time_point deadline, int stop, CommandRunner::Output& output);

  // Its exit status; 128 and more: the signal that ended it. Once.
  int Reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  // While it has not been waited for, its number is nobody else's.
  void Kill() {
    ::kill(-pid_, SIGKILL);
    Reap();
  }

  pid_t pid_ = -1;
  Descriptor ended_;
  Descriptor out_;
  Descriptor err_;
};

Status Child::Start(const std::vector<std::string>& command, const std::string& variable, const std::string& input) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> environment = {const_cast<char*>(variable.c_str())};
  std::string name = variable.substr(0, variable.find('=') + 1);
  for (char** each = environ; *each != nullptr; ++each) {
    if (!std::string_view(*each).starts_with(name)) environment.push_back(*each);
  }
  environment.push_back(nullptr);

  Descriptor in(::memfd_create("question", MFD_CLOEXEC));
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  if (in.number() < 0 || !Fill(in.number(), input) || ::pipe2(out.data(), O_CLOEXEC) != 0)
    return CannotStart(command[0], errno);
  out_.Take(out[0]);
  Descriptor its_out(out[1]);
  if (::pipe2(err.data(), O_CLOEXEC) != 0) return CannotStart(command[0], errno);
  err_.Take(err[0]);
  Descriptor its_err(err[1]);

  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, in.number(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, its_out.number(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, its_err.number(), STDERR_FILENO);
  // A group of its own: Ctrl-C is for us, and what it has started ends with it. Signals as any program has them.
  posix_spawnattr_t manners;
  ::posix_spawnattr_init(&manners);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setflags(&manners, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  ::posix_spawnattr_setpgroup(&manners, 0);
  ::posix_spawnattr_setsigmask(&manners, &none);
  ::posix_spawnattr_setsigdefault(&manners, &all);
  int error = ::posix_spawnp(&pid_, command[0].c_str(), &files, &manners, arguments.data(), environment.data());
  ::posix_spawnattr_destroy(&manners);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    pid_ = -1;
    return CannotStart(command[0], error);
  }
  // glibc 2.36 declares pidfd_open for C alone.
  ended_.Take(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  return ended_.number() < 0 ? CannotStart(command[0], errno) : absl::OkStatus();
}

// Puts what can be read into the text, up to so much of it, and closes the pipe at its end. False: there was more.
bool ReadSome(Descriptor& pipe, std::string& text, size_t most) {
  std::array<char, 16384> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into
  ssize_t got = ::read(pipe.number(), bytes.data(), bytes.size());
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) {
    pipe.Close();
    return true;
  }
  size_t room = most - text.size();
  text.append(bytes.data(), std::min(room, static_cast<size_t>(got)));
  return static_cast<size_t>(got) <= room;
}

Status Child::Listen(system_clock::time_point deadline, int stop, CommandRunner::Output& output) {
  while (out_.number() >= 0 || err_.number() >= 0 || ended_.number() >= 0) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock::now()).count();
    if (left <= 0) return absl::DeadlineExceededError("the command has taken too long, and was killed");
    // Those that are closed count as -1, which poll leaves out.
    std::array<pollfd, 4> events = {
        {{stop, POLLIN, 0}, {ended_.number(), POLLIN, 0}, {out_.number(), POLLIN, 0}, {err_.number(), POLLIN, 0}}};
    ::poll(events.data(), events.size(), static_cast<int>(left));
    if (events[0].revents != 0) return absl::UnavailableError("the backend is ending");
    if (events[1].revents != 0) ended_.Close();
    if (events[2].revents != 0 && !ReadSome(out_, output.out, kMaxOut))
      return ResourceExhausted("the command has written more than {} bytes, and was killed", kMaxOut);
    if (events[3].revents != 0) ReadSome(err_, output.err, kMaxErr);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<CommandRunner::Output> CommandRunner::Run(const std::string& variable, const std::string& input,
                                                   system_clock::time_point deadline) {
  {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, deadline, [this] { return free_ > 0 || over_; }))
      return absl::DeadlineExceededError("too many commands run already: it has not begun");
    if (over_) return absl::UnavailableError("the backend is ending");
    --free_;
  }
  Output output;
  int exit_status = 0;
  Status status;
  {
    Child child;
    status = child.Start(command_, variable, input);
    if (status.ok()) status = child.Listen(deadline, stop_, output);
    if (status.ok()) exit_status = child.Reap();
  }
  {
    std::lock_guard lock(mutex_);
    ++free_;
  }
  changed_.notify_one();
  RETURN_IF_ERROR(status);
  while (output.err.ends_with('\n')) output.err.pop_back();
  if (exit_status == 0) return output;
  std::string words = Shown(output.err.substr(0, kShownErr));
  return absl::InternalError(fmt::format("exit status {}{}{}", exit_status, words.empty() ? "" : ": ", words));
}

void CommandRunner::End() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
}

}  // namespace carillon::cli
