#include "gateway/dialect/dialect.h"

#include "gateway/dialect/echo.h"
#include "gateway/dialect/native.h"

namespace carillon::dialect {

const Dialect& Native() {
  static const NativeDialect dialect;
  return dialect;
}

const Dialect& EchoBack() {
  static const EchoDialect dialect;
  return dialect;
}

}  // namespace carillon::dialect
