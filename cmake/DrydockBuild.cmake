# What every target of the project is compiled and linked with.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
# Each public header is compiled alone, as part of the build.
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)

set(DRYDOCK_SANITIZE "" CACHE STRING "sanitizers, as for -fsanitize=")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # What its manual asks for where headers are precompiled, together with -fpch-preprocess.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
    add_compile_options(-fpch-preprocess)
endif()

# Not -O2: the build takes half as long again, and no program here is faster for it: they wait for the kernel, and
# what computes (hashes, compression) is in libraries.
set(CMAKE_CXX_FLAGS_RELEASE "-O1 -DNDEBUG")

find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)

add_library(drydock_build INTERFACE)
target_compile_options(drydock_build INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast -Wnon-virtual-dtor
    -Wduplicated-cond -Wlogical-op -Werror)
target_compile_definitions(drydock_build INTERFACE _GLIBCXX_ASSERTIONS)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # -U first: some distributions' compilers predefine a lower level.
    target_compile_options(drydock_build INTERFACE -U_FORTIFY_SOURCE
        $<$<NOT:$<BOOL:$<TARGET_PROPERTY:DRYDOCK_UNOPTIMISED>>>:-D_FORTIFY_SOURCE=3>
        -fstack-protector-strong -fstack-clash-protection -fcf-protection)
    target_link_options(drydock_build INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(DRYDOCK_SANITIZE)
    set(sanitized $<NOT:$<BOOL:$<TARGET_PROPERTY:DRYDOCK_UNSANITIZED>>>)
    target_compile_options(drydock_build INTERFACE
        "$<${sanitized}:-fsanitize=${DRYDOCK_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all>")
    target_link_options(drydock_build INTERFACE $<${sanitized}:-fsanitize=${DRYDOCK_SANITIZE}>)
endif()

# Tests gain nothing from the optimiser. (Fortify needs it.)
function(drydock_unoptimised target)
    set_target_properties(${target} PROPERTIES DRYDOCK_UNOPTIMISED ON)
    target_compile_options(${target} PRIVATE -O0)
endfunction()

add_library(drydock_fmt STATIC ${CMAKE_SOURCE_DIR}/cmake/fmt.cpp)
target_include_directories(drydock_fmt PUBLIC $<TARGET_PROPERTY:fmt::fmt-header-only,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_features(drydock_fmt PUBLIC cxx_std_20)

# Most of a file's compile time is the library headers it includes, so they are read once for all. A file includes what it
# needs all the same: the linter's build has no precompiled headers.
set(precompiled <algorithm> <array> <chrono> <cstdint> <filesystem> <functional> <map> <memory> <mutex> <optional> <span>
    <string> <string_view> <system_error> <thread> <vector> <fmt/format.h> <nlohmann/json.hpp>)
foreach(pch drydock_pch drydock_unoptimised_pch)
    add_library(${pch} OBJECT EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/cmake/precompiled.cpp)
    target_link_libraries(${pch} PRIVATE drydock_build drydock_fmt nlohmann_json::nlohmann_json)
    target_precompile_headers(${pch} PRIVATE ${precompiled})
endforeach()
drydock_unoptimised(drydock_unoptimised_pch)

function(drydock_precompiled target)
    get_target_property(unoptimised ${target} DRYDOCK_UNOPTIMISED)
    if(unoptimised)
        target_precompile_headers(${target} REUSE_FROM drydock_unoptimised_pch)
    else()
        target_precompile_headers(${target} REUSE_FROM drydock_pch)
    endif()
endfunction()

# A build from nothing takes half the time when the compiler is given several files of a library at once. Off where one file is
# built again and again (preset debug), and in the linter's build, which so sees that each file includes what it needs.
option(DRYDOCK_JOINED "compile several files of a library as one" OFF)
function(drydock_joined target)
    if(DRYDOCK_JOINED)
        set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 32)
        # GCC means types of unnamed namespaces in headers, and takes every file but the first for one.
        target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
    endif()
endfunction()

add_custom_target(drydock_tests)
