# The fallback where CMake is absent: a plain node-gyp build of the same sources (native/sources.txt).
{
  "target_defaults": {
    "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
    "cflags!": ["-fno-exceptions", "-fno-rtti"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti"],
    "cflags": ["-Wall", "-Wextra", "-Wno-psabi", "-ffp-contract=off", "-O3", "-fvisibility=hidden", "-fPIC"],
    "cflags_cc": ["-std=c++17", "-fexceptions"],
    "libraries": ["-ldl", "-lpthread"]
  },
  "targets": [
    {
      "target_name": "infernode",
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "sources": ["<!@(sed -n 's|^addon |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode-sampler",
      "type": "executable",
      "sources": ["<!@(sed -n 's|^sampler |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode-keeper",
      "type": "executable",
      "sources": ["<!@(sed -n 's|^keeper |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode-probe",
      "type": "executable",
      "sources": ["<!@(sed -n 's|^probe |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode_kv",
      "type": "shared_library",
      "product_prefix": "lib",
      "product_dir": "<(PRODUCT_DIR)",
      "sources": ["<!@(sed -n 's|^kv |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode-kv-bench",
      "type": "executable",
      "sources": ["<!@(sed -n 's/^kv\\(_bench\\)\\? /native\\//p' native/sources.txt)"]
    },
    {
      "target_name": "infernode-kv-gpu-check",
      "type": "executable",
      "sources": ["<!@(sed -n 's/^kv\\(_gpu_check\\)\\? /native\\//p' native/sources.txt)"]
    },
    {
      "target_name": "infernode_cuda_sim",
      "product_prefix": "lib",
      "type": "shared_library",
      "product_dir": "<(PRODUCT_DIR)",
      "ldflags": ["-Wl,-Bsymbolic"],
      "sources": ["<!@(sed -n 's/^kv /native\\//p;s/^cuda_sim /native\\//p' native/sources.txt)"]
    },
    {
      "target_name": "infernode-kv-vectors",
      "type": "executable",
      "sources": ["<!@(sed -n 's/^kv\\(_vectors\\)\\? /native\\//p' native/sources.txt)"]
    },
    {
      "target_name": "infernode_nvml_sim",
      "product_prefix": "lib",
      "type": "shared_library",
      "product_dir": "<(PRODUCT_DIR)",
      "sources": ["<!@(sed -n 's|^nvml_sim |native/|p' native/sources.txt)"]
    }
  ]
}
