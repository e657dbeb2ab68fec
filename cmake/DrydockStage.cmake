# The build policy of a stage, all of it:
#
#   drydock_stage(NN-topic [USES NN-lower…] [LIBRARIES …])   library stageNN from src/**, program drydock-NN from src/main.cpp
#   drydock_program(NAME STAGE NN MAIN src/x_main.cpp [STATIC] [LIBRARIES …])   one more program of that stage
#
# The target `all` is the programs and libraries; `drydock_tests` is every test.
#
# Files whose names end in main.cpp belong to programs, every other one to the library. tests/*.unit.test.cpp become
# stageNN_unit (runs for anyone, anywhere), tests/*.kernel.test.cpp stageNN_kernel (needs privileges).

function(drydock_stage id)
    cmake_parse_arguments(ARG "STATIC" "PROGRAM" "USES;LIBRARIES" ${ARGN})
    string(REGEX MATCH "^([0-9][0-9])-" _ "${id}")
    set(number ${CMAKE_MATCH_1})
    set(library stage${number})

    file(GLOB_RECURSE headers CONFIGURE_DEPENDS include/*.hpp)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS src/*.cpp)
    list(FILTER sources EXCLUDE REGEX "main\\.cpp$")

    add_library(${library} STATIC ${sources})
    target_sources(${library} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${headers})
    target_link_libraries(${library} PUBLIC drydock_build drydock_fmt nlohmann_json::nlohmann_json ${ARG_LIBRARIES})
    target_include_directories(${library} PRIVATE src)
    drydock_precompiled(${library})
    drydock_joined(${library})
    # What students write anew is compiled alone: the labs put their file in its place.
    file(GLOB labs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/labs/*/lab.toml)
    foreach(lab IN LISTS labs)
        file(STRINGS ${lab} holes REGEX "^file = \"stages/${id}/")
        foreach(hole IN LISTS holes)
            string(REGEX REPLACE "^file = \"(.*)\".*" "${CMAKE_SOURCE_DIR}/\\1" hole "${hole}")
            set_source_files_properties(${hole} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
        endforeach()
    endforeach()
    foreach(used IN LISTS ARG_USES)
        string(REGEX MATCH "^([0-9][0-9])-" _ "${used}")
        if(NOT CMAKE_MATCH_1 LESS number)
            message(FATAL_ERROR "${id} may not use ${used}: a stage uses only lower-numbered stages")
        endif()
        target_link_libraries(${library} PUBLIC stage${CMAKE_MATCH_1})
    endforeach()

    if(NOT ARG_PROGRAM)
        set(ARG_PROGRAM drydock-${number})
    endif()
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/src/main.cpp)
        if(ARG_STATIC)
            drydock_program(${ARG_PROGRAM} STAGE ${number} MAIN src/main.cpp STATIC)
        else()
            drydock_program(${ARG_PROGRAM} STAGE ${number} MAIN src/main.cpp)
        endif()
    endif()
    if(BUILD_TESTING)
        drydock_tests(${number} unit)
        drydock_tests(${number} kernel)
    endif()
endfunction()

# STATIC: a dynamic start costs more than the whole set-up of a container's namespaces, so what starts once for
# every container is linked statically. Sanitizers need the dynamic libraries.
function(drydock_program name)
    cmake_parse_arguments(ARG "STATIC" "STAGE;MAIN" "LIBRARIES" ${ARGN})
    add_executable(${name} ${ARG_MAIN})
    drydock_precompiled(${name})
    target_link_libraries(${name} PRIVATE stage${ARG_STAGE} ${ARG_LIBRARIES})
    target_include_directories(${name} PRIVATE src)
    if(ARG_STATIC AND NOT DRYDOCK_SANITIZE)
        target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/static_unwind.cpp)
        target_link_options(${name} PRIVATE -static
            LINKER:--eh-frame-hdr,--wrap=__register_frame_info,--wrap=__deregister_frame_info)
    endif()
    install(TARGETS ${name} RUNTIME DESTINATION bin)  # side by side: they find each other there
endfunction()

# drydock_tests(NN kind [FOLDER…]): the tests of stageNN; in FOLDERs, if not all below tests/ are.
function(drydock_tests number kind)
    list(TRANSFORM ARGN APPEND /*.${kind}.test.cpp OUTPUT_VARIABLE patterns)
    if(NOT patterns)
        set(patterns tests/*.${kind}.test.cpp)
    endif()
    file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${patterns})
    if(NOT tests)
        return()
    endif()
    set(binary stage${number}_${kind})
    add_executable(${binary} EXCLUDE_FROM_ALL ${tests})
    add_dependencies(drydock_tests ${binary})
    target_link_libraries(${binary} PRIVATE stage${number} drydock_${kind}_main drydock_testing)
    drydock_unoptimised(${binary})
    drydock_precompiled(${binary})
    target_include_directories(${binary} PRIVATE src tests)
    set_target_properties(${binary} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    # One label, not a list: catch_discover_tests of Catch2 2.13 would split it. `ctest -L kernel` matches it all the same.
    string(REPLACE _ - label stage-${number}-${kind})
    set(properties LABELS ${label} TIMEOUT 120 SKIP_RETURN_CODE 77
        ENVIRONMENT "DRYDOCK_BIN=${CMAKE_BINARY_DIR}/bin")
    if(kind STREQUAL "kernel")
        # One at a time: several of them compare the whole host before and after.
        list(APPEND properties RESOURCE_LOCK host)
    endif()
    catch_discover_tests(${binary} TEST_PREFIX "${binary}: " EXTRA_ARGS --warn NoAssertions
        PROPERTIES ${properties})
endfunction()
