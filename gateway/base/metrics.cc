#include "gateway/base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <map>

namespace carillon {

struct MetricsWriter::Families {
  std::map<std::string, prometheus::MetricFamily, std::less<>> by_name;

  prometheus::ClientMetric& Add(std::string_view name, std::string_view help, prometheus::MetricType type,
                                Labels labels) {
    auto it = by_name.find(name);
    if (it == by_name.end()) {
      it = by_name.emplace(name, prometheus::MetricFamily{std::string(name), std::string(help), type, {}}).first;
    }
    prometheus::ClientMetric& metric = it->second.metric.emplace_back();
    for (const auto& [key, value] : labels) metric.label.push_back({std::string(key), std::string(value)});
    return metric;
  }
};

MetricsWriter::MetricsWriter() : families_(std::make_unique<Families>()) {}
MetricsWriter::~MetricsWriter() = default;

void MetricsWriter::Counter(std::string_view name, std::string_view help, uint64_t value, Labels labels) {
  families_->Add(name, help, prometheus::MetricType::Counter, labels).counter.value = static_cast<double>(value);
}

void MetricsWriter::Gauge(std::string_view name, std::string_view help, double value, Labels labels) {
  families_->Add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

std::string MetricsWriter::Text() const {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& [name, family] : families_->by_name) families.push_back(family);
  return prometheus::TextSerializer().Serialize(families);
}

std::string Metrics::Text() const {
  MetricsWriter writer;
  std::lock_guard lock(mutex_);
  for (const Collector& collector : collectors_) collector(writer);
  return writer.Text();
}

}  // namespace carillon
