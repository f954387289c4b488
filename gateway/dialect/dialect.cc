#include "gateway/dialect/dialect.h"

#include "gateway/dialect/echo.h"
#include "gateway/dialect/native.h"

namespace carillon::dialect {

const Wanted& WantedByStream::Of(std::string_view stream) const {
  for (const auto& [name, wanted] : streams) {
    if (name == stream) return wanted;
  }
  return otherwise;
}

const Dialect& Native() {
  static const NativeDialect dialect;
  return dialect;
}

const Dialect& EchoBack() {
  static const EchoDialect dialect;
  return dialect;
}

}  // namespace carillon::dialect
