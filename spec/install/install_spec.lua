--- Trees installed by CMake and LuaRocks, used with no source in sight: covers CMakeLists.txt, the rockspec and
--- scripts/rock.
-- packages: luarocks git unzip zip zsh fish

local emulator = require "spec.support.emulator"
local identity = require "spec.support.identity"
local process = require "spec.support.process"

local run = process.run

-- What is installed here is used with no source in sight: another folder, no paths of the build.
local FIVE_LINES = [[
local image = require "qcimage"
local result = assert(image.modify {
  imageId = "img-12345678", imageName = "testName", imageDescription = "descrip",
})
print(result.code, result.message)
]]

local IDENTITY = ("TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s TENCENTCLOUD_REGION=gz "):format(
  identity.SECRET_ID,
  identity.SECRET_KEY
)

local function using(tree, version, interpreter, code, environment)
  return run(
    ("cd / && env LUA_PATH='%s/share/lua/%s/?.lua;;' LUA_CPATH='%s/lib/lua/%s/?.so;;' %s %s - <<'END'\n%s\nEND"):format(
      tree,
      version,
      tree,
      version,
      environment or "",
      interpreter,
      code
    )
  )
end

describe("an installed tree", function()
  local scratch, server

  setup(function()
    scratch = run("mktemp -d"):gsub("\n", "")
    local sources = "CMakeLists.txt *.rockspec LICENSE README.md CHANGELOG.md docs src lua"
    assert.equal(0, select(2, run(("mkdir %s/source && cp -r %s %s/source"):format(scratch, sources, scratch))))
    server = emulator.start()
  end)

  teardown(function()
    server:stop()
    run("rm -rf " .. scratch)
  end)

  local function works(tree, version, interpreter)
    local output, status = using(tree, version, interpreter, FIVE_LINES, IDENTITY .. "QCIMAGE_ENDPOINT=" .. server.url)
    assert.equal("0\t\n", output)
    assert.equal(0, status)
  end

  local PRINTING = "LUA_INIT='print(1)'"
  for version = 2, 5 do
    PRINTING = ("%s LUA_INIT_5_%d='print(%d)'"):format(PRINTING, version, version)
  end

  -- The command, without a path set, and with what would print into its results.
  local function saysItsVersion(tree)
    local output, status =
      run(("cd / && env -u LUA_PATH -u LUA_CPATH %s %s/bin/qcimage --version"):format(PRINTING, tree))
    assert.equal(0, status)
    assert.matches("^qcimage %d+%.%d+%.%d+\n", output)
  end

  it("made by CMake runs the five-line program", function()
    local tree = scratch .. "/tree"
    local output, status = run(
      ("cd %s/source && cmake -S . -B build -DQCIMAGE_LUA=5.4 -DCMAKE_INSTALL_PREFIX=%s"):format(scratch, tree)
        .. " && cmake --build build && cmake --install build"
    )
    assert.equal(0, status, output)
    works(tree, "5.4", "lua5.4")
    saysItsVersion(tree)
    -- a name for it in another folder, and one for its folder
    assert.equal(0, select(2, run(("mkdir '%s/a b' && ln -s %s/bin/qcimage '%s/a b'"):format(scratch, tree, scratch))))
    output = run(("cd '%s/a b' && PATH=\"$PWD:$PATH\" qcimage --version"):format(scratch))
    assert.matches("^qcimage %d", output)
    run(("ln -s %s/bin %s/elsewhere"):format(tree, scratch))
    for _, line in ipairs { "cd %s && elsewhere/qcimage", "%s/elsewhere/qcimage", "cd %s/elsewhere && sh qcimage" } do
      output = run(("%s --version"):format(line:format(scratch)))
      assert.matches("^qcimage %d", output, nil, nil, line)
    end
  end)

  it("made by CMake has completions, which bash, zsh and fish load when they first complete the command", function()
    local share = scratch .. "/tree/share"
    local shells = ("PATH=%s/tree/bin:$PATH HOME=%s TERM=xterm"):format(scratch, scratch)
    local bash = ("source %s/bash-completion/completions/qcimage; _qcimage qcimage desc qcimage; "):format(share)
      .. 'echo "${COMPREPLY[@]}"'
    local line = "COMP_WORDS=(qcimage desc); COMP_CWORD=1; "
    assert.equal("describe\n", run(("%s bash --norc -c '%s%s'"):format(shells, line, bash)))
    local fish = ("set fish_complete_path %s/fish/vendor_completions.d; complete -C 'qcimage desc'"):format(share)
    assert.matches("^describe\t", run(('%s fish --no-config -c "%s"'):format(shells, fish)))
    local keys = ("PS1='%%%% '; fpath=(%s/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D\n"):format(
      share
    ) .. 'qcimage() { [[ $1 = *compl* ]] && command qcimage "$@" || print "<$1><$2>"; }\nqcimage desc\tx\nexit\n'
    local file = assert(io.open(scratch .. "/keys", "w"))
    file:write(keys)
    file:close()
    local out =
      run(("%s SHELL=/bin/bash timeout 60 script -qec 'zsh -f -i' /dev/null <%s/keys"):format(shells, scratch))
    assert.matches("<describe><x>", out, 1, true)
  end)

  it("made by CMake runs the interpreter that was named, or one that is of the version", function()
    local other = scratch .. "/other"
    run(("mkdir %s && ln -s $(command -v lua5.3) %s/lua5.1"):format(other, other))
    for options, interpreter in pairs {
      ["-DQCIMAGE_LUA=5.3"] = "/lua5.3'",
      ["-DQCIMAGE_LUA=luajit"] = "/luajit'",
      ["-DQCIMAGE_LUA=5.1 -DLUA=/opt/lua/bin/lua"] = "'/opt/lua/bin/lua'",
      -- lua5.1 is none
      ["-DQCIMAGE_LUA=5.1"] = "/luajit'",
    } do
      run(("rm -rf %s/source/named"):format(scratch))
      local output, status =
        run(("cd %s/source && PATH=%s:$PATH cmake -S . -B named %s"):format(scratch, other, options))
      assert.equal(0, status, output)
      output = run(("grep ^exec %s/source/named/bin/qcimage"):format(scratch))
      assert.matches(interpreter, output, 1, true)
    end
  end)

  describe("made by LuaRocks", function()
    local trees = {}
    local config

    setup(function()
      config = scratch .. "/config.lua"
      -- packages of the system in place of rocks
      local file = assert(io.open(config, "w"))
      file:write 'rocks_provided = { ["lua-cjson"] = "2.1.0-1" }\n'
      file:close()
      for _, version in ipairs { "5.4", "5.1" } do -- one after the other in one checkout, as users do
        trees[version] = scratch .. "/rocks" .. version
        local output, status = run(
          ("cd %s/source && LUAROCKS_CONFIG=%s luarocks --lua-version %s make --tree %s"):format(
            scratch,
            config,
            version,
            trees[version]
          )
        )
        assert.equal(0, status, output)
        assert.is_nil(output:find "Warning", output)
      end
    end)

    it("runs the five-line program, and the command without any path set", function()
      works(trees["5.4"], "5.4", "lua5.4")
      works(trees["5.1"], "5.1", "lua5.1")
      works(trees["5.1"], "5.1", "luajit")
      saysItsVersion(trees["5.4"])
      saysItsVersion(trees["5.1"])
    end)

    it("is also made by luarocks build, and from a rock of the sources", function()
      local tree = scratch .. "/built"
      local luarocks = ("LUAROCKS_CONFIG=%s luarocks --lua-version 5.4 --tree %s"):format(config, tree)
      local output, status = run(("cd %s/source && %s build *.rockspec"):format(scratch, luarocks))
      assert.equal(0, status, output)
      saysItsVersion(tree)
      run("rm -rf " .. tree)
      local checkout = scratch .. "/checkout"
      output, status = run(([[
        set -e
        git clone --quiet . %s
        cd %s
        ./scripts/rock
        mv build/rock/*.src.rock %s
        rm -rf %s
        cd %s
        %s install ./*.src.rock
        unzip -q -d rock ./*.src.rock
        tar -C rock -xzf rock/*.tar.gz
      ]]):format(checkout, checkout, scratch, checkout, scratch, luarocks))
      assert.equal(0, status, output)
      saysItsVersion(tree)
      -- neither the rock nor what it installs has a path of the packer
      assert.equal("", run(("grep -rl %s %s/rock %s"):format(checkout, scratch, tree)))
    end)

    it("has licence, documents and completions in the rock's folder", function()
      local folder = run(
        ("LUAROCKS_CONFIG=%s luarocks --lua-version 5.4 --tree %s show --rock-dir qcimage"):format(config, trees["5.4"])
      ):gsub("\n", "")
      for _, file in ipairs {
        "doc/LICENSE",
        "doc/README.md",
        "doc/docs/install.md",
        "share/bash-completion/completions/qcimage",
        "share/fish/vendor_completions.d/qcimage.fish",
        "share/zsh/site-functions/_qcimage",
      } do
        assert.same({ "", 0 }, { run(("test -s %s/%s"):format(folder, file)) }, file)
      end
    end)

    it("is also a rock for machines without a compiler", function()
      local output, status = run(([[
        set -e
        cd %s
        LUAROCKS_CONFIG=%s luarocks --lua-version 5.4 --tree %s pack qcimage
        mv %s away
        LUAROCKS_CONFIG=%s luarocks --lua-version 5.4 --tree %s/binary install ./qcimage-*.linux-*.rock
        mv away %s
      ]]):format(scratch, config, trees["5.4"], trees["5.4"], config, scratch, trees["5.4"]))
      assert.equal(0, status, output)
      saysItsVersion(scratch .. "/binary")
    end)

    it("starts the emulator, with no module for nginx's own Lua around", function()
      local output, status = run(([[
        cd /
        env -u LUA_PATH -u LUA_CPATH %s/bin/qcimage emulator >%s/ready 2>&1 &
        emulator=$!
        for _ in $(seq 600); do grep -q http %s/ready && break; sleep 0.1; done
        url=$(sed -n 's/.* ready on //p' %s/ready) || cat %s/ready
        curl -sS -o /dev/null -w '%%{http_code}\n' "$url/_emulator/state"
        kill $emulator
        for _ in $(seq 600); do curl -s -o /dev/null "$url/" || break; sleep 0.1; done
        curl -s -o /dev/null "$url/" || echo "stopped"
      ]]):format(trees["5.4"], scratch, scratch, scratch, scratch))
      assert.matches("^200\n.*stopped\n$", output)
      assert.equal(0, status)
    end)

    it("refuses another Lua with a message", function()
      for _, case in ipairs {
        { "5.4", "luajit" },
        { "5.4", "lua5.1" },
        { "5.4", "lua5.2" },
        { "5.4", "lua5.3" },
        { "5.1", "lua5.2" },
        { "5.1", "lua5.3" },
        { "5.1", "lua5.4" },
      } do
        for _, name in ipairs { "qcimage.core", "qcimage.http" } do
          local code = ('print(pcall(require, "%s"))'):format(name)
          local output, status = using(trees[case[1]], case[1], case[2], code)
          assert.equal(0, status)
          assert.matches("^false\terror loading module '" .. name, output)
        end
      end
    end)

    it("shows no symbol but the entry of each module", function()
      for version, tree in pairs(trees) do
        for _, name in ipairs { "core", "http" } do
          local output = run(("nm -D --defined-only %s/lib/lua/%s/qcimage/%s.so"):format(tree, version, name))
          assert.matches("^%x+ T luaopen_qcimage_" .. name .. "\n$", output)
        end
      end
    end)

    it("links neither Lua nor, in the core, libcurl", function()
      for version, tree in pairs(trees) do
        local core = run(("ldd %s/lib/lua/%s/qcimage/core.so"):format(tree, version))
        assert.matches("libcrypto", core)
        assert.is_nil(core:find "libcurl")
        assert.is_nil(core:find "lua")
        local http = run(("ldd %s/lib/lua/%s/qcimage/http.so"):format(tree, version))
        assert.matches("libcurl", http)
        assert.is_nil(http:find "liblua")
      end
    end)
  end)

  it("is not made with the headers of another Lua", function()
    local output, status =
      run(("cd %s/source && cmake -S . -B wrong -DQCIMAGE_LUA=5.4 -DLUA_INCDIR=/usr/include/lua5.1"):format(scratch))
    assert.equal(1, status)
    output = output:gsub("%s+", " ")
    assert.matches("QCIMAGE_LUA is 5.4, but /usr/include/lua5.1/lua.h says", output, 1, true)
  end)
end)
