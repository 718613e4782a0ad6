# The tests: each C unit test once, each spec file under each interpreter that its module was built for.

# C unit tests. Those that stand before functions of libc or libcurl must show theirs.

function(qcimage_c_test name)
  add_executable(${name}_test spec/c/${name}_test.c)
  qcimage_flags(${name}_test)
  set_target_properties(${name}_test PROPERTIES C_VISIBILITY_PRESET default)
  target_link_libraries(${name}_test PRIVATE ${ARGN})
  add_test(NAME c/${name} COMMAND ${name}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(c/${name} PROPERTIES LABELS c)
endfunction()

qcimage_c_test(sign qcimage_sign)
qcimage_c_test(encode qcimage_sign)
qcimage_c_test(http qcimage_http ${CMAKE_DL_LIBS})
qcimage_c_test(transfer_error qcimage_http)
qcimage_c_test(http_message qcimage_http)

# Those that embed Lua: one version tells enough, the scripts run under all.
set(embedded 5.4)
if(NOT 5.4 IN_LIST QCIMAGE_LUA)
  set(embedded 5.5)
endif()
if(embedded IN_LIST QCIMAGE_LUA)
  string(REPLACE . "" digits ${embedded})
  unset(lua_library CACHE)
  find_library(lua_library NAMES lua${embedded} lua-${embedded} lua${digits})
  add_library(qcimage_modules OBJECT ${core_sources} ${http_sources})
  qcimage_flags(qcimage_modules)
  target_link_libraries(qcimage_modules PRIVATE lua-${embedded} qcimage_sign qcimage_http)
  set(embedding threads)
  if(NOT QCIMAGE_SANITIZE) # these stand in for malloc
    list(APPEND embedding alloc http_memory)
  endif()
  foreach(name IN LISTS embedding)
    qcimage_c_test(${name} qcimage_modules qcimage_sign qcimage_http lua-${embedded} ${lua_library} m ${CMAKE_DL_LIBS})
    set_tests_properties(c/${name} PROPERTIES ENVIRONMENT "LUA_PATH=${CMAKE_SOURCE_DIR}/lua/?.lua\;\;")
  endforeach()
  if(NOT QCIMAGE_SANITIZE)
    set_tests_properties(c/alloc PROPERTIES COST 30)
    target_link_options(alloc_test PRIVATE
      -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=curl_global_init)
  endif()
endif()

# for hostile_spec.lua and hostile_nginx_spec.lua
add_executable(hostileserver spec/c/hostileserver.c)
qcimage_flags(hostileserver)
target_link_libraries(hostileserver PRIVATE OpenSSL::SSL OpenSSL::Crypto)

# fork, signals and descriptors, for process_spec.lua
foreach(version IN LISTS QCIMAGE_LUA)
  add_library(testposix-${version} MODULE spec/c/testposix.c)
  qcimage_flags(testposix-${version})
  target_link_libraries(testposix-${version} PRIVATE lua-${version} Threads::Threads)
  set_target_properties(testposix-${version} PROPERTIES PREFIX "" OUTPUT_NAME testposix
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/${version})
endforeach()

# Specs

# They lie by what they need, which is their label, too: unit (no socket), wire (sockets), nginx, install (compilers).
file(GLOB specs RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS
  spec/unit/*_spec.lua spec/wire/*_spec.lua spec/nginx/*_spec.lua spec/install/*_spec.lua)
file(GLOB astray RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS spec/*_spec.lua)
if(astray)
  message(FATAL_ERROR "${astray} belongs into a folder: spec/unit where it opens no socket, spec/nginx where it starts "
    "an nginx (the emulator as a server is one), spec/install where it builds, otherwise spec/wire")
endif()

# QCIMAGE_SPEC_LUA: the versions that specs run under, where the libraries of the specs are not there for all.
if(NOT QCIMAGE_SPEC_LUA)
  set(QCIMAGE_SPEC_LUA ${QCIMAGE_LUA})
endif()
set(interpreters)
foreach(version IN LISTS QCIMAGE_SPEC_LUA)
  if(NOT version STREQUAL luajit)
    list(APPEND interpreters lua${version})
  endif()
  if(version STREQUAL 5.1 OR version STREQUAL luajit)
    list(APPEND interpreters luajit)
  endif()
endforeach()
list(REMOVE_DUPLICATES interpreters)

# spec/unit runs under every interpreter. The other specs, which spend their time on servers and programs, run under two:
# Lua 5.4, and LuaJIT, which nginx has and which differs most from it. `ctest -C full` also runs them under the others.
set(main lua5.4)
if(NOT main IN_LIST interpreters)
  list(GET interpreters -1 main)
endif()
set(two ${main} luajit)

# Those whose subject runs in a process of its own (nginx, Node, a shell script) run once.
set(once apply_nginx cli_pid1 cmake hostile hostile_nginx hosts instance emulator_nginx parallel_nginx peers install lightthread limiter_nginx openresty
  fixtures openresty_askers openresty_credentials openresty_errors
  openresty_load openresty_endpoints openresty_raise openresty_wire outcome resty_http)

# Specs that compile for a minute run only with `ctest -C full`.
set(compiling cmake fixtures install)

# The longest tests start first, so that none runs alone at the end. ctest measures the times, but has none at its first
# run. In seconds on an idle machine; without an entry: 5, or 0 for spec/unit.
set(longest examples=15 outcome=30 openresty_wire=25 openresty_load=15 limiter_nginx=15 canary=15 emulator_nginx=15 resty_http=14
  instance=13 cli_doctor=12 cli_apply=30 peers=10 lightthread=10 http=9 process=9 lifetime=9)
foreach(each IN LISTS longest)
  string(REPLACE = ";" each ${each})
  list(GET each 0 name)
  list(GET each 1 cost_${name})
endforeach()

# A spec runs with the modules of the build and the Lua files of the source. The time limit only ends a test that hangs:
# on a busy machine each can take minutes, and under an emulator an hour.
if(NOT QCIMAGE_SPEC_TIMEOUT)
  set(QCIMAGE_SPEC_TIMEOUT 600) # seconds
endif()
function(qcimage_spec name label command version spec)
  add_test(NAME ${name}
    COMMAND ${command} spec/support/run.lua ${spec}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${QCIMAGE_SPEC_TIMEOUT} ENVIRONMENT
    "LUA_PATH=${CMAKE_SOURCE_DIR}/lua/?.lua\;${CMAKE_SOURCE_DIR}/?.lua\;\;;LUA_CPATH=${CMAKE_BINARY_DIR}/lib/${version}/?.so\;\;;QCIMAGE_BUILD=${CMAKE_BINARY_DIR};QCIMAGE_METADATA=off")
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
    string(REGEX REPLACE "^spec/(.*)/(.*)_spec.lua$" "\\1;\\2" name ${spec})
    list(GET name 0 label)
    list(GET name 1 name)
    set(when)
    if(name IN_LIST compiling OR NOT (label STREQUAL unit OR interpreter IN_LIST two))
      set(when CONFIGURATIONS full)
    endif()
    if(NOT name IN_LIST once OR interpreter STREQUAL main)
      qcimage_spec(${name}/${interpreter} ${label} ${${interpreter}_program} ${version} ${spec} ${when})
      set(cost 0)
      if(cost_${name})
        set(cost ${cost_${name}})
      elseif(NOT label STREQUAL unit)
        set(cost 5)
      endif()
      set_tests_properties(${name}/${interpreter} PROPERTIES COST ${cost})
    endif()
  endforeach()
endforeach()

# With QCIMAGE_FULL or QCIMAGE_MODEL it makes many thousand calls.
foreach(interpreter IN LISTS interpreters)
  if(TEST model/${interpreter})
    set_tests_properties(model/${interpreter} PROPERTIES TIMEOUT 1800)
  endif()
endforeach()

# Those that compile.
foreach(name IN LISTS compiling)
  if(TEST ${name}/${main})
    set_tests_properties(${name}/${main} PROPERTIES TIMEOUT 1800)
  endif()
endforeach()

# A short hunt for inputs that break a promise; scripts/fuzz SECONDS makes a longer one.
if(NOT QCIMAGE_SANITIZE)
  add_test(NAME fuzz COMMAND scripts/fuzz 4 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} CONFIGURATIONS full)
  set_tests_properties(fuzz PROPERTIES LABELS fuzz TIMEOUT 600 ENVIRONMENT QCIMAGE_BOOTSTRAPPED=1)
endif()
