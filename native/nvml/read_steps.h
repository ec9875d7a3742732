// What is read of a device, as data.
#pragma once

#include <cstddef>

#include "nvml/call_slot.h"
#include "nvml/device_row.h"
#include "nvml/symbols.h"

namespace infernode::nvml {

/// What a read costs, or how rarely it changes: each round, each fifth, each thirtieth, or at start and on request only
/// (checks of flash memory). The intervals are the sampler's arguments.
enum class ReadClass : uint32_t { kFast, kNormal, kSlow, kOnDemand, kCount };
constexpr uint32_t kReadClassCount = static_cast<uint32_t>(ReadClass::kCount);

struct ReadContext {
  const Symbols& nvml;
  CallSlot& slot;
  Device device;
  int32_t index;
  double* row;

  void Set(Column column, double value) const { row[static_cast<size_t>(column)] = value; }
};

/// One function call that fills `columns` adjoining columns from `first` on; they are NaN when it fails.
struct ReadStep {
  Call call;
  ReadClass read_class;
  Column first;
  uint32_t columns;
  Return (*read)(const ReadContext&);
};

/// One id of nvmlDeviceGetFieldValues; all of a class travel in one call.
struct FieldColumn {
  uint32_t field_id;
  uint32_t scope_id;
  ReadClass read_class;
  Column column;
  double scale;
  /// Driver branches in which the number has this meaning: ids moved between 12.8 and 13.1 (nvml 8.1).
  int min_branch;
  int max_branch;
};

constexpr int kNewestBranch = 1 << 30;

extern const ReadStep kReadSteps[];
extern const size_t kReadStepCount;
extern const FieldColumn kFieldColumns[];
extern const size_t kFieldColumnCount;

/// One field of a link; the link is the scope.
struct LinkField {
  uint32_t field_id;
  LinkColumn column;
};
extern const LinkField kLinkFields[];
extern const size_t kLinkFieldCount;

/// By the value's type; NaN for the all-ones sentinels and for types that are not known.
double FieldNumber(const FieldValue& field);

}  // namespace infernode::nvml
