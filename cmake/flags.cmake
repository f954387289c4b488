# One interface target carries every flag; nothing is set globally.
add_library(carillon_flags INTERFACE)
target_include_directories(carillon_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(carillon_flags INTERFACE -Wall -Wextra -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(CARILLON_WERROR)
  target_compile_options(carillon_flags INTERFACE -Werror)
endif()
# Boost.Asio and Beast once (gateway/hub/asio_compilation.cc, gateway/edge/beast_compilation.cc), instead of in every
# file that includes them.
target_compile_definitions(carillon_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_COROUTINE BOOST_ASIO_DISABLE_BOOST_CONTEXT_FIBER
  SPDLOG_FMT_EXTERNAL)
# Hardening that costs nothing on the hot path (reliability notes 5.14).
if(NOT CARILLON_SANITIZE AND CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(carillon_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
  target_link_options(carillon_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(CARILLON_SANITIZE)
  target_compile_options(carillon_flags INTERFACE -fsanitize=${CARILLON_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(carillon_flags INTERFACE -fsanitize=${CARILLON_SANITIZE})
  target_compile_definitions(carillon_flags INTERFACE CARILLON_SANITIZED)
  if(CARILLON_SANITIZE MATCHES "undefined")
    # Boost.System's categories are constants made at compile time, which this check does not recognise as objects.
    target_compile_options(carillon_flags INTERFACE -fno-sanitize=vptr)
  endif()
  if(CARILLON_SANITIZE STREQUAL "thread")
    # protobuf's headers add members to messages under ThreadSanitizer, which Debian's library was built without: the
    # two would disagree about where things are. The standard library's own switch stays on.
    target_compile_options(carillon_flags INTERFACE -U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1)
    # Boost's counters are inline assembly on x86 otherwise, which it cannot see into.
    target_compile_definitions(carillon_flags INTERFACE BOOST_AC_USE_STD_ATOMIC BOOST_SP_USE_STD_ATOMIC)
  endif()
endif()
if(CARILLON_FUZZ)
  target_compile_options(carillon_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
find_program(MOLD mold)
if(MOLD)
  target_link_options(carillon_flags INTERFACE -fuse-ld=mold)
endif()
