--- What CMake makes of prefixes, sysroots and build types: covers CMakeLists.txt.

local process = require "spec.support.process"

local run = process.run

-- What CMake makes of prefixes, sysroots and build types, on a copy of the sources.
describe("configuring", function()
  local scratch

  local function must(command)
    local output, status = run(command)
    assert(status == 0, command .. "\n" .. output)
    return output
  end

  setup(function()
    scratch = must("mktemp -d"):gsub("\n", "")
    must(("mkdir %s/source && cp -r CMakeLists.txt src lua %s/source"):format(scratch, scratch))
  end)

  teardown(function()
    run("rm -rf " .. scratch)
  end)

  -- Configures with options; gives what it says, in one line.
  local function configure(build, options)
    local output, status = run(
      ("cd %s/source && cmake -S . -B %s -DQCIMAGE_LUA=5.4 -DCMAKE_INSTALL_PREFIX=%s/tree %s"):format(
        scratch,
        build,
        scratch,
        options
      )
    )
    return output:gsub("%s+", " "), status
  end

  local function build(folder)
    must(("cd %s/source && cmake --build %s"):format(scratch, folder))
  end

  -- A prefix with the system's headers, and its library under a soname that nothing else has.
  local function prefix(name, library, header)
    local folder = scratch .. "/" .. name
    local file = must("gcc -print-file-name=lib" .. library .. ".so"):gsub("\n", "")
    local soname = must("readelf -d " .. file):match "SONAME%).-%[(.-)%]"
    local renamed = soname:gsub(".$", "x")
    must(("mkdir -p %s/include %s/lib"):format(folder, folder))
    local headers = must(("echo '#include <%s>' | gcc -E - | grep -om1 '/[^\"]*/%s'"):format(header, header))
    must(("ln -s %s %s/include/"):format(headers:match "^(.*)/", folder))
    local from = assert(io.open(file, "rb"))
    local to = assert(io.open(("%s/lib/%s"):format(folder, renamed), "wb"))
    assert(to:write((from:read("*a"):gsub(soname:gsub("%.", "%%."), renamed))))
    from:close()
    to:close()
    must(("ln -s %s %s/lib/lib%s.so"):format(renamed, folder, library))
    return folder, renamed
  end

  describe("with prefixes", function()
    local ssl, curl, crypto, libcurl

    setup(function()
      ssl, crypto = prefix("ssl", "crypto", "openssl/evp.h")
      curl, libcurl = prefix("curl", "curl", "curl/curl.h")
      must(("mkdir %s/headers %s/library"):format(scratch, scratch))
      must(("ln -s %s/include %s/headers/; ln -s %s/lib %s/library/"):format(ssl, scratch, ssl, scratch))
    end)

    it("takes both halves from them, before and after others, and finds the libraries when loaded", function()
      local path = ("LUA_CPATH='%s/tree/lib/lua/5.4/?.so'"):format(scratch)
      for _, case in ipairs {
        { "", nil, "Found OpenSSL: /usr" },
        { "-DOPENSSL_DIR=" .. ssl, crypto, "OpenSSL: " .. ssl },
        {
          ("-DOPENSSL_DIR= -DCURL_INCDIR=%s/include -DCURL_LIBDIR=%s/lib"):format(curl, curl),
          libcurl,
          "CURL: " .. curl,
        },
        { "-DCURL_INCDIR= -DCURL_LIBDIR= -DCURL_DIR=" .. curl, libcurl, "CURL: " .. curl },
        {
          ("-DCURL_DIR= -DOPENSSL_INCDIR=%s/include -DOPENSSL_LIBDIR=%s/lib"):format(ssl, ssl),
          crypto,
          "OpenSSL: " .. ssl,
        },
      } do
        local output, status = configure("prefixed", case[1])
        assert.equal(0, status, output)
        assert.matches(case[3], output, 1, true)
        if case[2] then
          must(("cd %s/source && cmake --build prefixed && cmake --install prefixed"):format(scratch))
          local needed = must(("readelf -d %s/tree/lib/lua/5.4/qcimage/http.so"):format(scratch))
          for _, soname in ipairs { crypto, libcurl } do
            assert.equal(soname == case[2], needed:find("[" .. soname .. "]", 1, true) ~= nil, case[1])
          end
          must(("cd / && %s lua5.4 -e 'require [[qcimage.http]].new()'"):format(path))
        end
      end
    end)

    it("refuses halves and folders that are not there", function()
      local oneOnly = "would not be of one prefix"
      for options, message in pairs {
        ["OPENSSL_DIR=/nowhere"] = "OPENSSL_DIR is /nowhere, and there is no such folder",
        ["CURL_DIR=/nowhere"] = "CURL_DIR is /nowhere, and there is no such folder",
        ["CURL_INCDIR=/nowhere CURL_LIBDIR=/usr/lib"] = "CURL_INCDIR is /nowhere, and there is no such folder",
        [("OPENSSL_DIR=%s/headers"):format(scratch)] = "it lacks a shared libcrypto in " .. scratch .. "/headers/lib",
        [("OPENSSL_DIR=%s/library"):format(scratch)] = "it lacks openssl/evp.h in " .. scratch .. "/library/include",
        [("CURL_DIR=%s"):format(ssl)] = "it lacks curl/curl.h in ",
        [("OPENSSL_INCDIR=%s/include"):format(ssl)] = oneOnly,
        [("OPENSSL_LIBDIR=%s/lib"):format(ssl)] = oneOnly,
        -- as LuaRocks fills up CURL_INCDIR alone
        [("CURL_DIR=/usr CURL_INCDIR=%s/include CURL_LIBDIR=/usr/lib"):format(curl)] = oneOnly,
      } do
        local none = "OPENSSL_DIR= OPENSSL_INCDIR= OPENSSL_LIBDIR= CURL_DIR= CURL_INCDIR= CURL_LIBDIR= "
        local output, status = configure("refused", ((none .. options):gsub("%S+", "-D%0")))
        assert.equal(1, status, options)
        assert.matches(message, output, 1, true)
      end
    end)
  end)

  it("takes lua.h of the sysroot, or stops", function()
    local sysroot = scratch .. "/sysroot"
    local file = assert(io.open(scratch .. "/toolchain.cmake", "w"))
    file:write(([[
      set(CMAKE_SYSTEM_NAME Linux)
      set(CMAKE_C_COMPILER gcc)
      set(CMAKE_FIND_ROOT_PATH %s)
      set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
      set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
      set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
    ]]):format(sysroot))
    file:close()
    must(("mkdir -p %s/usr/include %s/usr/lib"):format(sysroot, sysroot))
    for library, header in pairs { crypto = "openssl/evp.h", curl = "curl/curl.h" } do
      local folder = prefix("for-" .. library, library, header)
      must(("cp -P %s/include/* %s/usr/include/"):format(folder, sysroot))
      must(("cp -P %s/lib/* %s/usr/lib/"):format(folder, sysroot))
    end
    local toolchain = ("-DCMAKE_TOOLCHAIN_FILE=%s/toolchain.cmake"):format(scratch)

    local output, status = configure("cross", toolchain)
    assert.equal(1, status)
    assert.matches("lua.h of Lua 5.4 was not found", output, 1, true)

    must(("cp -r /usr/include/lua5.4 %s/usr/include/"):format(sysroot))
    output, status = configure("cross", toolchain)
    assert.equal(0, status, output)
    assert.matches(("Lua 5.4: %s/usr/include/lua5.4"):format(sysroot), output, 1, true)
    build "cross"
    must(("cd %s/source && cmake --install cross"):format(scratch))
    -- the machine that it is for has no such folder
    assert.is_nil(must(("readelf -d %s/tree/lib/lua/5.4/qcimage/http.so"):format(scratch)):find(scratch, 1, true))
  end)

  it("links all that the modules use, also without optimization", function()
    local output, status = configure("debug", "-DCMAKE_BUILD_TYPE=Debug")
    assert.equal(0, status, output)
    build "debug"
    for _, name in ipairs { "core", "http" } do
      local missing = run(("ldd -r %s/source/debug/lib/5.4/qcimage/%s.so"):format(scratch, name))
      assert.matches("undefined symbol: lua_", missing) -- the host's
      for symbol in missing:gmatch "undefined symbol: (%S+)" do
        assert.matches("^lua", symbol)
      end
    end
  end)

  it("makes modules of another version, which these Lua files refuse", function()
    local sources = scratch .. "/source/CMakeLists.txt"
    must(("sed -i 's/^project(qcimage VERSION [0-9.]*/project(qcimage VERSION 0.0.9/' %s"):format(sources))
    local output, status = configure("old", "")
    assert.equal(0, status, output)
    build "old"
    local old, mixed = scratch .. "/source/old/lib/5.4", scratch .. "/mixed"
    must(("mkdir -p %s/qcimage && ln -s %s/qcimage/http.so %s/qcimage/"):format(mixed, old, mixed))
    must(("ln -s %s/lib/5.4/qcimage/core.so %s/qcimage/"):format(os.getenv "QCIMAGE_BUILD", mixed))
    for folder, code in pairs {
      [old] = "require [[qcimage]]",
      [mixed] = "require [[qcimage]] require [[qcimage.transport.curl]]",
    } do
      output = run(("LUA_CPATH='%s/?.so;;' lua5.4 -e '%s'"):format(folder, code))
      assert.matches("the Lua files are of version %d+%.%d+%.%d+, but qcimage%.%l+ is of version 0%.0%.9", output)
      assert.matches(("(%s/qcimage/"):format(folder), output, 1, true)
    end
  end)
end)
