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
    local sources = "CMakeLists.txt LICENSE README.md CHANGELOG.md docs src lua"
    must(("mkdir %s/source && cp -r %s %s/source"):format(scratch, sources, scratch))
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
    must(("ln -sfn %s %s/include/"):format(headers:match "^(.*)/", folder))
    local from = assert(io.open(file, "rb"))
    local to = assert(io.open(("%s/lib/%s"):format(folder, renamed), "wb"))
    assert(to:write((from:read("*a"):gsub(soname:gsub("%.", "%%."), renamed))))
    from:close()
    to:close()
    must(("ln -s %s %s/lib/lib%s.so"):format(renamed, folder, library))
    return folder, renamed
  end

  describe("with prefixes", function()
    local ssl, curl, crypto, libssl, libcurl

    setup(function()
      prefix("half", "crypto", "openssl/evp.h")
      ssl, crypto = prefix("ssl", "crypto", "openssl/evp.h")
      ssl, libssl = prefix("ssl", "ssl", "openssl/ssl.h")
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
          for _, soname in ipairs { crypto, libssl, libcurl } do
            assert.equal(
              (soname == libcurl) == (case[2] == libcurl),
              needed:find("[" .. soname .. "]", 1, true) ~= nil,
              case[1]
            )
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
        [("OPENSSL_DIR=%s/half"):format(scratch)] = "it lacks a shared libssl in " .. scratch .. "/half/lib",
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

  describe("for a Lua", function()
    local newest, other, empty, nonsense, half

    -- Headers of Lua 5.4, under another version: as Lua 5.5 writes its own, or as those before did.
    local function headers(name, version)
      local folder = scratch .. "/" .. name
      must(("cp -r /usr/include/lua5.4 %s"):format(folder))
      must(("sed -i 's/^#define LUA_VERSION_NUM[^_].*/%s/' %s/lua.h"):format(version, folder))
      return folder
    end

    setup(function()
      newest = headers(
        "newest",
        "#define LUA_VERSION_MAJOR_N 5\\n#define LUA_VERSION_MINOR_N 5\\n"
          .. "#define LUA_VERSION_NUM (LUA_VERSION_MAJOR_N * 100 + LUA_VERSION_MINOR_N)"
      )
      other = headers("other", "#define LUA_VERSION_NUM 506")
      empty, nonsense, half = scratch .. "/empty", scratch .. "/nonsense", scratch .. "/half-headers"
      must(("mkdir %s %s %s"):format(empty, nonsense, half))
      must(("echo 'This is LUA_VERSION_NUM 504' >%s/lua.h"):format(nonsense))
      must(("cp /usr/include/lua5.4/lua.h /usr/include/lua5.4/luaconf.h %s"):format(half))
    end)

    -- Configures with these options alone, in a folder that others were tried in.
    local function tried(options, environment)
      local output, status = run(
        ("cd %s/source && %s cmake -S . -B tried -UQCIMAGE_* -ULUA* -Ulua_* -ULIBDIR -UOPENSSL_DIR -UCMAKE_IGNORE_PATH %s"):format(
          scratch,
          environment or "",
          options
        )
      )
      return output:gsub("%s+", " "), status
    end

    it("builds and installs the modules that the headers are for, where they alone are named", function()
      local tree = scratch .. "/newest-tree"
      for _, options in ipairs { "", "-DQCIMAGE_LUA=", "-DQCIMAGE_LUA=5.5" } do
        local output, status = tried(("-DLUA_INCDIR=%s %s -DCMAKE_INSTALL_PREFIX=%s"):format(newest, options, tree))
        assert.equal(0, status, output)
        assert.matches("Lua 5.5: " .. newest, output, 1, true)
      end
      must(("cd %s/source && cmake --build tried && cmake --install tried"):format(scratch))
      local installed =
        must(("cd %s && find . -name '*.so' -o -name qcimage.lua -o -path '*/bin/*' | sort"):format(tree))
      assert.equal(
        "./bin/qcimage\n./lib/lua/5.5/qcimage/core.so\n./lib/lua/5.5/qcimage/http.so\n./share/lua/5.5/qcimage.lua\n",
        installed
      )
      local command = must(("cat %s/bin/qcimage"):format(tree))
      assert.matches("unset LUA_INIT LUA_INIT_5_2 LUA_INIT_5_3 LUA_INIT_5_4 LUA_INIT_5_5 ", command, 1, true)
      assert.matches("share/lua/5.5", command, 1, true)
      -- the next one in the same folder, as luarocks make has it
      local output, status = tried "-DLUA_INCDIR=/usr/include/lua5.3"
      assert.equal(0, status, output)
      assert.matches("Lua 5.3: /usr/include/lua5.3", output, 1, true)
    end)

    it("refuses what would leave the modules out, or make those of another Lua", function()
      local choice = "name 5.1, 5.2, 5.3, 5.4, 5.5, luajit or openresty"
      local notAHeader = "is not the header of a Lua that the compiler can use"
      for options, message in pairs {
        ["-DQCIMAGE_LUA="] = "QCIMAGE_LUA is empty: " .. choice,
        ["-DQCIMAGE_LUA= -DLUA_INCDIR="] = "QCIMAGE_LUA is empty: " .. choice,
        ["'-DQCIMAGE_LUA=;'"] = 'QCIMAGE_LUA is ";", and "" is not a Lua that qcimage can be built for: ' .. choice,
        ["'-DQCIMAGE_LUA=5.4;'"] = 'and "" is not a Lua that',
        ["-DQCIMAGE_LUA=5.6"] = 'and "5.6" is not a Lua that',
        ["-DQCIMAGE_LUA=5"] = 'and "5" is not a Lua that',
        ["-DQCIMAGE_LUA=OFF"] = 'and "OFF" is not a Lua that',
        ["-DQCIMAGE_LUA=5.4,5.3"] = 'and "5.4,5.3" is not a Lua that',
        ["'-DQCIMAGE_LUA=5.4 5.3'"] = 'and "5.4 5.3" is not a Lua that',
        ["'-DQCIMAGE_LUA=5.4;lua5.3'"] = 'and "lua5.3" is not a Lua that',
        ["-DLUA_INCDIR=" .. nonsense] = nonsense .. "/lua.h " .. notAHeader,
        ["-DQCIMAGE_LUA=5.4 -DLUA_INCDIR=" .. nonsense] = nonsense .. "/lua.h " .. notAHeader,
        ["-DLUA_INCDIR=" .. half] = half .. "/lua.h " .. notAHeader,
        ["-DLUA_INCDIR=" .. empty] = "LUA_INCDIR is " .. empty .. ", and there is no lua.h in it",
        ["-DLUA_INCDIR=/nowhere"] = "LUA_INCDIR is /nowhere, and there is no lua.h in it",
        ["-DQCIMAGE_LUA=5.4 -DLUA_INCDIR=NOTFOUND"] = "NOTFOUND, and there is no lua.h in it",
        ["-DLUA_INCDIR=" .. other] = 'QCIMAGE_LUA is "5.6", and',
        ["-DQCIMAGE_LUA=5.4 -DLUA_INCDIR=" .. newest] = ("QCIMAGE_LUA is 5.4, but %s/lua.h says: 5.5"):format(newest),
        ["-DQCIMAGE_LUA=luajit -DLUA_INCDIR=" .. newest] = ("QCIMAGE_LUA is luajit, but %s/lua.h says: 5.5"):format(
          newest
        ),
        ["'-DQCIMAGE_LUA=5.5;5.4' -DLUA_INCDIR=" .. newest] = ("QCIMAGE_LUA is 5.4, but %s/lua.h says: 5.5"):format(
          newest
        ),
        ["'-DQCIMAGE_LUA=5.4;5.3' -DLIBDIR=/tmp/modules"] = "where the modules for 5.4;5.3 would overwrite each other",
        ["-DQCIMAGE_TESTS=ON -DQCIMAGE_HTTP=OFF"] = "QCIMAGE_TESTS requires QCIMAGE_HTTP=ON",
        ["-DLUA=/usr/bin/lua5.3"] = "LUA is /usr/bin/lua5.3, which is Lua 5.3, but the command's modules are for 5.4",
      } do
        local output, status = tried(options)
        assert.equal(1, status, options)
        assert.matches(message, output, 1, true)
      end
      for _, options in ipairs { "'-DQCIMAGE_LUA=5.4;5.4'", "'-DQCIMAGE_LUA=5.1;luajit' -DLIBDIR=/tmp/modules" } do
        local output, status = tried(options)
        assert.equal(0, status, output)
      end
    end)

    it("does not overwrite the modules of another Lua in LIBDIR", function()
      local tree = scratch .. "/shared-tree"
      local function install(version, libdir)
        local output, status =
          tried(("-DQCIMAGE_LUA=%s -DCMAKE_INSTALL_PREFIX=%s -DLIBDIR=%s"):format(version, tree, libdir))
        assert.equal(0, status, output)
        must(("cd %s/source && cmake --build tried"):format(scratch))
        return run(("cd %s/source && cmake --install tried"):format(scratch))
      end
      for _, libdir in ipairs { "modules", tree .. "/absolute" } do
        for _, version in ipairs { "5.1", "luajit" } do -- one ABI
          local output, status = install(version, libdir)
          assert.equal(0, status, output)
        end
        local output, status = install("5.3", libdir)
        assert.not_equal(0, status)
        local file = (libdir:match "^/" and libdir or tree .. "/" .. libdir) .. "/qcimage/core.so"
        assert.matches(file .. " was built for Lua 5.1, and would be overwritten", output:gsub("%s+", " "), 1, true)
        output, status =
          run(("LUA_CPATH='%s' lua5.1 -e 'require [[qcimage.core]]'"):format(file:gsub("qcimage/core", "?")))
        assert.equal(0, status, output)
      end
    end)

    it("takes its headers before those of a prefix, and no others that flags bring", function()
      local folder = prefix("with-lua", "crypto", "openssl/evp.h")
      prefix("with-lua", "ssl", "openssl/ssl.h")
      must(("cp /usr/include/lua5.1/* %s/include/"):format(folder))
      local output, status = tried("-DQCIMAGE_LUA=5.4 -DOPENSSL_DIR=" .. folder)
      assert.equal(0, status, output)
      must(("cd %s/source && cmake --build tried --target core-5.4"):format(scratch))
      local symbols = must(("nm -D --undefined-only %s/source/tried/lib/5.4/qcimage/core.so"):format(scratch))
      assert.matches("luaL_checkversion_", symbols, 1, true)
      assert.is_nil(symbols:find("lua_getfenv", 1, true))
      output, status = tried("-DQCIMAGE_LUA=5.4 -DCMAKE_C_FLAGS=-I/usr/include/lua5.1")
      assert.equal(0, status, output)
      output, status = run(("cd %s/source && cmake --build tried --target core-5.4"):format(scratch))
      assert.not_equal(0, status)
      assert.matches("lua.h is not that of the Lua that is built for", output, 1, true)
    end)

    local hidden = "'-DCMAKE_IGNORE_PATH=/bin;/usr/bin;/usr/local/bin' " -- the system may have a Lua 5.5

    it("warns if the command has no interpreter", function()
      local output, status = tried(hidden .. "-DLUA_INCDIR=" .. newest)
      assert.equal(0, status, output)
      assert.matches(
        'No interpreter of Lua 5.5 was found. The command qcimage will run "lua5.5" from PATH',
        output,
        1,
        true
      )
      output = tried "-DLUA_INCDIR=/usr/include/lua5.4"
      assert.is_nil(output:find("No interpreter", 1, true), output)
    end)

    it("finds its interpreter beside the headers", function()
      local folder = scratch .. "/own"
      must(("mkdir -p %s/bin %s/include && cp -r %s %s/include/lua"):format(folder, folder, newest, folder))
      must(("printf '#!/bin/sh\nprintf \"Lua 5.5\"\n' >%s/bin/lua5.5; chmod +x %s/bin/lua5.5"):format(folder, folder))
      local output, status = tried(("%s-DLUA_INCDIR=%s/include/lua"):format(hidden, folder))
      assert.equal(0, status, output)
      assert.matches("The command runs " .. folder .. "/bin/lua5.5", output, 1, true)
    end)

    it("finds its interpreter, whatever would print before it", function()
      local output, status = tried("-DQCIMAGE_LUA=5.4", "LUA_INIT='print(1)' LUA_INIT_5_4='print(2)'")
      assert.equal(0, status, output)
      assert.matches("The command runs /[^ ]*/lua5%.4 ", output)
    end)
  end)

  describe("for OpenResty", function()
    local openresty, crypto
    local folder, stage

    setup(function()
      folder, stage = scratch .. "/openresty-folder", scratch .. "/stage"
      openresty = scratch .. "/openresty"
      prefix("openresty/openssl3", "crypto", "openssl/evp.h")
      crypto = select(2, prefix("openresty/openssl3", "ssl", "openssl/ssl.h")):gsub("libssl", "libcrypto")
      must(("mkdir -p %s/luajit/include %s/luajit/bin %s/lualib"):format(openresty, openresty, openresty))
      must(("ln -s /usr/include/luajit-2.1 %s/luajit/include/"):format(openresty))
      must(("ln -s $(command -v luajit) %s/luajit/bin/"):format(openresty))
      must(("ln -s $(luajit -e 'print(package.searchpath([[cjson]], package.cpath))') %s/lualib/"):format(openresty))
    end)

    local function configured(options)
      local output, status = run(
        ("cd %s/source && cmake -S . -B %s -UQCIMAGE_* -UOPENRESTY_PREFIX -UCURL_DIR -ULIBDIR %s"):format(
          scratch,
          folder,
          options
        )
      )
      return output:gsub("%s+", " "), status
    end

    local function installed()
      must(("cmake --build %s && rm -rf %s && DESTDIR=%s cmake --install %s"):format(folder, stage, stage, folder))
      return must(("cd %s && find . -type f -not -path '*/qcimage/*.lua' | sort"):format(stage))
    end

    it(
      "uses its LuaJIT and its OpenSSL, and installs into its folders, whatever the build folder was before",
      function()
        assert.equal(0, select(2, configured "-DQCIMAGE_LUA=5.4"))
        local output, status = configured("-DQCIMAGE_LUA=openresty -DOPENRESTY_PREFIX=" .. openresty)
        assert.equal(0, status, output)
        assert.matches("OpenSSL: " .. openresty .. "/openssl3/include", output, 1, true)
        assert.matches("Lua openresty: " .. openresty .. "/luajit/include/luajit-2.1", output, 1, true)
        local files = installed()
        for _, file in ipairs {
          openresty .. "/bin/qcimage",
          openresty .. "/site/lualib/qcimage.lua",
          openresty .. "/site/lualib/qcimage/core.so",
          openresty .. "/site/lualib/qcimage/http.so",
          "/usr/local/share/doc/qcimage/LICENSE",
        } do
          assert.matches("." .. file .. "\n", files, 1, true)
        end
        assert.is_nil(files:find("lib/lua/", 1, true), files)
        local core = stage .. openresty .. "/site/lualib/qcimage/core.so"
        assert.matches("[" .. crypto .. "]", must("readelf -d " .. core), 1, true)
        must(("cp -r %s%s/. %s"):format(stage, openresty, openresty))

        -- its command finds lua-cjson in lualib
        local command = ("cd / && env LUA_PATH='/none/?.lua' LUA_CPATH='/none/?.so' %s/bin/qcimage --version"):format(
          openresty
        )
        output, status = run(command)
        assert.equal(0, status, output)
        assert.matches("^qcimage %d+%.%d+%.%d+\nLuaJIT ", output)
        assert.matches("\nlua%-cjson %d", output)

        assert.equal(0, select(2, configured "-DQCIMAGE_LUA=5.4"))
        assert.matches("./usr/local/bin/qcimage\n", installed(), 1, true)
      end
    )

    it("is not built unless it is named, and says what is missing", function()
      local named = "-DQCIMAGE_LUA=openresty -DOPENRESTY_PREFIX="
      local half = scratch .. "/half-openresty"
      must(("mkdir -p %s/luajit/include %s/openssl3/lib"):format(half, half))
      must(("ln -s /usr/include/luajit-2.1 %s/luajit/include/"):format(half))
      for options, message in pairs {
        [named .. "/nowhere"] = "OpenResty was not found: there is no luajit/include/luajit-*/lua.h in /nowhere; "
          .. "set OPENRESTY_PREFIX",
        ["'-DQCIMAGE_LUA=openresty;5.4' -DOPENRESTY_PREFIX=" .. openresty] = "openresty cannot be combined with other versions",
        [named .. half] = "install openresty-openssl3-dev (Debian) or openresty-openssl3-devel (Fedora)",
        [named .. openresty .. " -DQCIMAGE_TESTS=ON"] = "QCIMAGE_TESTS requires QCIMAGE_HTTP=ON and a QCIMAGE_LUA other than",
        ["-DQCIMAGE_LUA=5.5 -DOPENRESTY_PREFIX=" .. openresty] = "QCIMAGE_LUA=openresty builds for the OpenResty in "
          .. openresty,
      } do
        local output, status = configured(options)
        assert.equal(1, status, options)
        assert.matches(message, output, 1, true)
      end
      local output = configured("-DOPENRESTY_PREFIX=" .. openresty)
      assert.matches("Lua 5.4: /usr", output, 1, true)
    end)

    it("needs no libcurl with QCIMAGE_HTTP=OFF, and then names what calls outside nginx lack", function()
      local output, status = configured "-DQCIMAGE_LUA=5.1 -DQCIMAGE_HTTP=OFF -DCURL_DIR=/nowhere"
      assert.equal(0, status, output)
      local files = installed()
      assert.matches("/qcimage/core.so\n", files, 1, true)
      assert.is_nil(files:find("http.so", 1, true))
      local lacks = "qcimage.http was not found on package.cpath; calls outside nginx need it, and a build with "
        .. "QCIMAGE_HTTP=OFF leaves it out"
      output, status = run(("env -u LUA_PATH -u LUA_CPATH %s/usr/local/bin/qcimage --version"):format(stage))
      assert.equal(0, status, output)
      assert.matches("\nlibcurl does not load: " .. lacks .. "\n", output, 1, true)
      output = run(([[
        cd / && env LUA_PATH='%s/usr/local/share/lua/5.1/?.lua;;' LUA_CPATH='%s/usr/local/lib/lua/5.1/?.so;;' lua5.1 - <<'END'
          local client = require "qcimage".new { secretId = "id", secretKey = "key", region = "gz" }
          print(client:sign("DescribeImages").method)
          local result, message, err = client:describe()
          print(result, err.kind, err.outcome, message)
        END]]):format(stage, stage):gsub("\n        END", "\nEND"))
      assert.matches("^POST\nnil\tunsupported\tnotSent\t", output)
      assert.matches(lacks .. "\n", output, 1, true)
    end)

    it("installs licence, documents and completions into the folders of GNUInstallDirs", function()
      local output, status = configured "-DCMAKE_INSTALL_PREFIX=/usr -DLIBDIR=lib64/lua/5.4 -DCMAKE_INSTALL_MANDIR=man"
      assert.equal(0, status, output)
      local files = installed()
      for _, file in ipairs {
        "bin/qcimage",
        "lib64/lua/5.4/qcimage/core.so",
        "lib64/lua/5.4/qcimage/http.so",
        "share/bash-completion/completions/qcimage",
        "share/doc/qcimage/CHANGELOG.md",
        "share/doc/qcimage/LICENSE",
        "share/doc/qcimage/README.md",
        "share/doc/qcimage/docs/install.md",
        "share/fish/vendor_completions.d/qcimage.fish",
        "share/lua/5.4/qcimage.lua",
        "share/zsh/site-functions/_qcimage",
      } do
        assert.matches("./usr/" .. file .. "\n", files, 1, true)
      end
      local hasPage = select(2, run "test -e docs/qcimage.1") == 0
      assert.equal(hasPage, files:find("./usr/man/man1/qcimage.1\n", 1, true) ~= nil)
      -- debug information has no path of the machine that built it
      output = run(("grep -c %s %s/usr/lib64/lua/5.4/qcimage/*.so"):format(scratch, stage))
      assert.matches("core.so:0\n.*http.so:0\n", output)
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
    for library, header in pairs { crypto = "openssl/evp.h", ssl = "openssl/ssl.h", curl = "curl/curl.h" } do
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
