#include "gateway/dialect/dialect.h"

#include "gateway/dialect/echo.h"
#include "gateway/dialect/native.h"

namespace carillon::dialect {

const Wanted& WantedByStream::Of(std::string_view stream) const {
  auto it = streams.find(stream);
  return it == streams.end() ? otherwise : it->second;
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
