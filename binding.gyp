# The fallback where CMake is absent: a plain node-gyp build of the same sources (native/sources.txt) into everything that runs. Absent are the
# programs that only tests run.
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
      # The KV library's objects, compiled once for whoever links them.
      "target_name": "kv_objects",
      "type": "static_library",
      "cflags": ["-Wno-maybe-uninitialized", "-Wno-uninitialized"],
      "sources": ["<!@(sed -n 's|^kv |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode",
      "dependencies": ["kv_objects"],
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
      # gyp links a shared library with the whole of its archives, so what nothing refers to is exported too.
      "target_name": "infernode_kv",
      "type": "shared_library",
      "product_prefix": "lib",
      "product_dir": "<(PRODUCT_DIR)",
      "dependencies": ["kv_objects"],
      "sources": []
    },
    {
      "target_name": "infernode-kv-bench",
      "type": "executable",
      "dependencies": ["kv_objects"],
      "sources": ["<!@(sed -n 's|^kv_bench |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode-kv-gpu-check",
      "type": "executable",
      "dependencies": ["kv_objects"],
      "sources": ["<!@(sed -n 's|^kv_gpu_check |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode-kv-vectors",
      "type": "executable",
      "dependencies": ["kv_objects"],
      "sources": ["<!@(sed -n 's|^kv_vectors |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode_cuda_sim",
      "type": "shared_library",
      "product_prefix": "lib",
      "product_dir": "<(PRODUCT_DIR)",
      "dependencies": ["kv_objects"],
      "ldflags": ["-Wl,-Bsymbolic"],
      "sources": ["<!@(sed -n 's|^cuda_sim |native/|p' native/sources.txt)"]
    },
    {
      "target_name": "infernode_nvml_sim",
      "type": "shared_library",
      "product_prefix": "lib",
      "product_dir": "<(PRODUCT_DIR)",
      "sources": ["<!@(sed -n 's|^nvml_sim |native/|p' native/sources.txt)"]
    }
  ]
}
