// Original file: proto/infernode/node/v1/node.proto


export interface DeviceReading {
  'temperatureCelsius'?: (number | string);
  'powerWatts'?: (number | string);
  'gpuUtilizationRatio'?: (number | string);
  'memoryTotalBytes'?: (number | string);
  'memoryUsedBytes'?: (number | string);
  'memoryFreeBytes'?: (number | string);
  '_temperatureCelsius'?: "temperatureCelsius";
  '_powerWatts'?: "powerWatts";
  '_gpuUtilizationRatio'?: "gpuUtilizationRatio";
  '_memoryTotalBytes'?: "memoryTotalBytes";
  '_memoryUsedBytes'?: "memoryUsedBytes";
  '_memoryFreeBytes'?: "memoryFreeBytes";
}

export interface DeviceReading__Output {
  'temperatureCelsius'?: (number);
  'powerWatts'?: (number);
  'gpuUtilizationRatio'?: (number);
  'memoryTotalBytes'?: (number);
  'memoryUsedBytes'?: (number);
  'memoryFreeBytes'?: (number);
  '_temperatureCelsius'?: "temperatureCelsius";
  '_powerWatts'?: "powerWatts";
  '_gpuUtilizationRatio'?: "gpuUtilizationRatio";
  '_memoryTotalBytes'?: "memoryTotalBytes";
  '_memoryUsedBytes'?: "memoryUsedBytes";
  '_memoryFreeBytes'?: "memoryFreeBytes";
}
