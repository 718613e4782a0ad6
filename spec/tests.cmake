# The tests: each C unit test once, each spec file under each interpreter that its module was built for.

find_program(UNSHARE unshare)

# C unit tests

foreach(name sign encode)
  add_executable(${name}_test spec/c/${name}_test.c $<TARGET_OBJECTS:qcimage_sign>)
  target_include_directories(${name}_test PRIVATE src)
  target_link_libraries(${name}_test PRIVATE ${OPENSSL_CRYPTO_LIBRARY})
  add_test(NAME c/${name} COMMAND ${name}_test)
endforeach()

# Specs

# Those whose subject runs in a process of its own (nginx, Node, a shell script) run once.
set(once emulator_nginx peers install openresty openresty_load openresty_wire outcome)

set(interpreters)
foreach(version IN LISTS QCIMAGE_LUA)
  if(NOT version STREQUAL luajit)
    list(APPEND interpreters lua${version})
  endif()
  if(version STREQUAL 5.1 OR version STREQUAL luajit)
    list(APPEND interpreters luajit)
  endif()
endforeach()

file(GLOB specs RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS spec/*_spec.lua)

# A spec runs with the modules of the build and the Lua files of the source.
function(qcimage_spec name command version spec)
  add_test(NAME ${name}
    COMMAND ${command} spec/support/run.lua ${spec}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 180 ENVIRONMENT
    "LUA_PATH=${CMAKE_SOURCE_DIR}/lua/?.lua\;${CMAKE_SOURCE_DIR}/?.lua\;\;;LUA_CPATH=${CMAKE_BINARY_DIR}/lib/${version}/?.so\;\;;QCIMAGE_BUILD=${CMAKE_BINARY_DIR}")
endfunction()

foreach(interpreter IN LISTS interpreters)
  find_program(${interpreter}_program ${interpreter})
  if(NOT ${interpreter}_program)
    message(FATAL_ERROR "${interpreter} was not found; scripts/bootstrap installs it")
  endif()
  if(interpreter STREQUAL luajit)
    list(FIND QCIMAGE_LUA luajit index)
    if(index EQUAL -1)
      set(version 5.1)
    else()
      set(version luajit)
    endif()
  else()
    string(REPLACE lua "" version ${interpreter})
  endif()
  foreach(spec IN LISTS specs)
    string(REGEX REPLACE "^spec/(.*)_spec.lua$" "\\1" name ${spec})
    list(FIND once ${name} index)
    if(index EQUAL -1 OR interpreter STREQUAL lua5.4)
      qcimage_spec(${name}/${interpreter} ${${interpreter}_program} ${version} ${spec})
    endif()
  endforeach()
endforeach()
