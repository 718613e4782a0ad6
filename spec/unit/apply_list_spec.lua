--- Lists of changes: what is read from CSV, JSON and JSON Lines, and which faults are told before anything is sent.

local catalogue = require "spec.support.catalogue"

local BOM = "\239\187\191"

describe("a list of changes", function()
  local client, service

  before_each(function()
    client, service = catalogue.client(catalogue.images(5))
  end)

  -- What a list would change: "line:number name description" of each step.
  local function planned(list, options)
    local all = { dryRun = true }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    local report, message = client:apply(list, all)
    if not report then
      return message
    end
    local parts = {}
    for i, step in ipairs(report.plan.steps) do
      local words = { ("%s:%d"):format(step.line, tonumber(step.imageId:match "%d+$")) }
      words[#words + 1] = step.to.imageName
      words[#words + 1] = step.to.imageDescription and ("(%s)"):format(step.to.imageDescription)
      words[#words + 1] = step.to.imageDeprecated ~= nil and tostring(step.to.imageDeprecated) or nil
      parts[i] = table.concat(words, " ")
    end
    return table.concat(parts, "\n")
  end

  -- The faults of a list, a line each.
  local function faults(list, options)
    local report, message, err = client:apply(list, options)
    assert.is_nil(report)
    assert.equal("notSent", err.outcome)
    assert.matches("nothing was sent$", message)
    assert.equal(0, #(service:journal()))
    return table.concat(err.lines, "\n")
  end

  it("is told by what it holds", function()
    local one = '{"imageId":"img-00000001","imageName":"web-01b"}'
    local two = '{"imageId":"img-00000002","imageName":"web-02b"}'
    assert.equal("1:1 web-01b\n2:2 web-02b", planned(one .. "\n" .. two .. "\n"))
    assert.equal("1:1 web-01b\n2:2 web-02b", planned(one .. "\n" .. two))
    assert.equal("1:1 web-01b\n4:2 web-02b", planned(BOM .. one .. "\r\n\r\n   \r\n" .. two))
    assert.equal("2:1 web-01b\n3:2 web-02b", planned("[\n " .. one .. ",\n " .. two .. "\n]\n"))
    assert.equal("1:1 web-01b", planned '{\n  "imageId": "img-00000001",\n  "imageName": "web-01b"\n}\n')
    assert.equal("2:1 web-01b\n3:2 web-02b", planned "imageId,imageName\nimg-00000001,web-01b\nimg-00000002,web-02b\n")
    assert.equal("", planned "")
    assert.equal("", planned "\n\n")
    assert.equal("", planned(BOM))
    assert.equal("", planned "[]")
    assert.equal("", planned {})
  end)

  it("is CSV as spreadsheets write it", function()
    local first = "imageId,imageName,imageDescription\n"
    for list, expected in pairs {
      [BOM .. '"imageId","imageName","imageDescription"\r\n"img-00000001","web-01b","nightly, eu"\r\n'] = "2:1 web-01b (nightly, eu)",
      [first .. '"img-00000002","web-02b","he said ""go"""'] = '2:2 web-02b (he said "go")',
      ["imageId;imageName;imageDescription\nimg-00000001;web-01b;a,b,c\n"] = "2:1 web-01b (a,b,c)",
      ["sep=;\r\nimageId;imageName\r\nimg-00000001;web-01b\r\n"] = "3:1 web-01b",
      ["imageId\timageName\nimg-00000001\tweb-01b\n"] = "2:1 web-01b",
      [first .. 'img-00000001,web-01b,16" rack\n'] = '2:1 web-01b (16" rack)',
      ["imageId,imageName\rimg-00000001,web-01b\r"] = "2:1 web-01b",
      ["imageId,imageDeprecated\nimg-00000001,true\nimg-00000002,FALSE\nimg-00000003,TRUE\n"] = "2:1 true\n4:3 true",
    } do
      assert.equal(expected, planned(list), list)
    end
  end)

  it("leaves a value where a cell is empty, unless it is told to clear it", function()
    local list = "imageId,imageName,imageDescription\nimg-00000001,web-01b,\nimg-00000002,,new text\n"
      .. 'img-00000003,web-03b,""\nimg-00000004,,\n'
    assert.equal("2:1 web-01b\n3:2 (new text)\n4:3 web-03b", planned(list))
    assert.equal("2:1 web-01b ()\n3:2 (new text)\n4:3 web-03b ()\n5:4 ()", planned(list, { empty = "clear" }))
    assert.equal(
      "2:2 web-02b ()\n3:3 web-03b",
      planned(
        '\n{"imageId":"img-00000002","imageName":"web-02b","imageDescription":""}\n'
          .. '{"imageId":"img-00000003","imageName":"web-03b","imageDescription":null}'
      )
    )
    local report = assert(client:apply(list, { dryRun = true }))
    assert.same(1, report.unchanged)
    assert.same({ 5, "img-00000004", "unchanged" }, {
      report.results[1].line,
      report.results[1].imageId,
      report.results[1].status,
    })
  end)

  it("is refused with all its faults, each with its line", function()
    local two = '{"imageId":"img-00000001","imageName":"golden"}\n{"imageId":"img-00000002","imageName":"golden"}\n'
    assert.equal(
      "line 1: img-00000001: occurs twice in the list: img-00000001 (3)\n"
        .. "line 1: img-00000001: wants the same name as img-00000002 (2)\n"
        .. "line 2: img-00000002: wants the same name as img-00000001 (1)\n"
        .. "line 3: img-00000001: occurs twice in the list: img-00000001 (1)",
      faults(two .. '{"imageId":"img-00000001","imageName":"golden-2"}\n')
    )
    assert.equal(
      "line 1: img-00000001: imageName must be text, not 1\n"
        .. "line 2: is not a JSON object\n"
        .. "line 3: imageId must be text, not a table\n"
        .. "line 4: img-00000001: unknown field imageNam (imageName?)\n"
        .. "line 5: has the key imageName twice",
      faults(
        '{"imageId":"img-00000001","imageName":1}\n"img-00000002"\n{"imageId":["img-00000003"],"imageName":"x"}\n'
          .. '{"imageId":"img-00000001","imageNam":"x"}\n'
          .. '{"imageId":"img-00000001","imageName":"web-01b","image\\u004eame":"web-99"}\n'
      )
    )
    assert.matches("^line 1: is not a JSON object on one line: ", faults '{"imageId":"img-1"} {"imageId":"img-2"}')
    assert.equal("line 1: is not a JSON object", faults '[["img-1"]]')
    assert.equal("the list has items that are null", faults '[null, {"imageId":"img-1"}]')
    assert.matches("^the list is not JSON: ", faults '[{"imageId":"img-1"}')
    assert.equal("change 2: must be a table, not 7", faults { { imageId = "img-00000001", imageName = "x" }, 7 })
    assert.matches(
      "^change 1: img%-1: region must be the name of one, not 7$",
      faults { { imageId = "img-1", region = 7 } }
    )
  end)

  it("of tables is a list without gaps: none of its changes is passed over in silence", function()
    local change = { imageId = "img-00000001", imageName = "web-01b" }
    assert.equal('changes must be a list without gaps: it has the key "imageId"', faults { imageId = "img-00000001" })
    assert.equal("changes must be a list without gaps: it has the key 3", faults { change, nil, change })
    assert.equal("changes must be a list without gaps: it has the key 0", faults { [0] = change, change })
    assert.equal("1:1 web-01b", planned { change, n = 1 })
  end)

  it("of tables may take its fields from elsewhere, and is told of what cannot be read", function()
    local thrower = setmetatable({}, {
      __index = function()
        error("not now", 0)
      end,
    })
    assert.equal("change 1: cannot be read: not now", faults { thrower })
    local change = setmetatable({ imageName = "web-01b" }, { __index = { imageId = "img-00000001" } })
    assert.equal("1:1 web-01b", planned { change })
  end)

  it("of CSV may have what spreadsheet programs add: blanks, empty columns and rows, their own booleans", function()
    for _, list in ipairs {
      "imageId,imageName,imageDeprecated,,\r\nimg-00000001,web-01b,TRUE,,\r\n,,,,\r\n,,,,\r\n",
      "\239\187\191imageId;imageName;imageDeprecated\r\nimg-00000001;web-01b;True\r\n;;\r\n",
      "imageId\t imageName\timageDeprecated \nimg-00000001\tweb-01b\ttrue\n",
      "imageId,,imageName,imageDeprecated\nimg-00000001,,web-01b,true\n",
      'sep=;\r\n"imageId";"imageName";"imageDeprecated"\r\n"img-00000001";"web-01b";"TRUE"\r\n',
      "imageId,imageName,imageDeprecated\rimg-00000001,web-01b,true\r",
    } do
      local report = assert(client:apply(list, { dryRun = true }))
      assert.same({ imageName = "web-01b", imageDeprecated = true }, report.plan.steps[1].to, list)
      assert.equal(1, #report.plan.steps)
    end
    for list, expected in pairs {
      [",,\nimageId,imageName,\nimg-00000001,a,\n"] = "3:1 a",
      [";;\r\n;;\r\nimageId;imageName;\r\nimg-00000001;a;\r\n"] = "4:1 a",
      ["\r\n\r\nimageId;imageName\r\nimg-00000001;a\r\n"] = "4:1 a",
      ["sep=;\n\nimageId;imageName\nimg-00000001;a\n"] = "4:1 a",
    } do
      assert.equal(expected, planned(list))
    end
  end)

  it("has one line for a heading that is misspelt, however long it is", function()
    local lines = { "imageId,imageNmae\n" }
    for i = 1, 10000 do
      lines[i + 1] = ("img-%08d,web-%d\n"):format(i, i)
    end
    assert.equal("line 1: unknown field imageNmae (imageName?)", faults(table.concat(lines)))
    for i = 1, 10000 do
      lines[i + 1] = ("img-%08d,a\127\n"):format(i)
    end
    lines[1] = "imageId,imageName\n"
    local _, message, err = client:apply(table.concat(lines))
    assert.equal(10000, #err.lines)
    assert.is_true(#message < 10000, #message)
    assert.matches("^10000 changes cannot be made: .*; and 9980 more; nothing was sent$", message)
  end)

  it("is refused for an id that is none and for a template that nothing fills, before any call", function()
    local before = #(service:journal())
    for list, expected in pairs {
      ["imageId,imageName\nimg-1 23,a\n"] = 'line 2: img-1 23: imageId "img-1 23" is not that of an image (img-12345678)',
      ["imageId,imageName\nweb-01,a\n"] = 'line 2: web-01: imageId "web-01" is not that of an image (img-12345678)',
      ['{"imageId":"img-00000001","imageName":"web-%{n:3}"}'] = "line 1: img-00000001: "
        .. "imageName has %{n:3}, which only an entry with select fills",
      ['{"imageId":"img-00000001","imageDescription":"of %{date}"}'] = "line 1: img-00000001: "
        .. "imageDescription has %{date}, which only an entry with select fills",
    } do
      assert.equal(expected, faults(list))
    end
    assert.equal(before, #(service:journal()))
  end)

  it("is told of a selection that matches no image, and of an entry once whatever is wrong with it", function()
    local report = assert(client:apply {
      { select = { imageIds = { "img-0000abcd" } }, imageName = "x" },
      { imageId = "img-00000001", imageName = "web-01b" },
    })
    assert.same({ "change 1: the selection matches no image" }, report.notes)
    assert.equal(1, report.ok)
    report = assert(client:apply({
      { imageId = "img-00000001", imageName = "\7", imageDescription = "\7" },
      { imageId = "img-00000002", imageName = "web-02b" },
    }, { continue = true }))
    assert.same({ 2, 1, 1 }, { report.total, report.ok, report.failed })
    assert.matches(
      "imageDescription has a control character.*; imageName has a control character",
      report.results[1].message
    )
  end)

  it("of CSV is refused with the line at fault", function()
    local first = "imageId,imageName,imageDescription\n"
    local inExcel = ": save it as UTF-8 (in Excel: CSV UTF-8)"
    local wayOut = ": save the list as UTF-8 (in Excel: CSV UTF-8)"
    for list, expected in pairs {
      [first .. 'img-00000001,a,ok\nimg-00000002,b,"not closed\nimg-00000003,c,ok\n'] = "line 3: the quote that opens here is never closed",
      [first .. 'img-00000002,"web"-02b,ok\n'] = "line 2: text follows a closing quote",
      [first .. "img-00000001,web-01b,ok\nimg-00000002,web-02b,\255\n"] = "line 3: is not valid UTF-8" .. wayOut,
      [first .. "img-00000001,web-01b\n"] = "line 2: has 2 values, and the header 3 names",
      ["imageId,imageId\n"] = "line 1: has the name imageId twice",
      ["web-01,web-02\n"] = "line 1: the header has no imageId (a list in JSON begins with [ or {)",
      ["imageId,imagename\nimg-00000001,x\n"] = "line 1: unknown field imagename (imageName?)",
      ["\255\254i\0m\0"] = "the list is in UTF-16" .. inExcel,
      ["i\0m\0a\0g\0e\0I\0d\0"] = "the list is in UTF-16" .. inExcel,
      [first .. "img-00000001,\191\170\183\162,ok\n"] = "line 2: is not valid UTF-8" .. wayOut, -- GBK, as Excel in Chinese has it
      [first .. "img-00000001,a,b,,c\n"] = "line 2: has 5 values, and the header 3 names",
      ["imageId,imageName,,\nimg-00000001,a,,x\n"] = "line 2: has 4 values, and the header 2 names",
      ["imageId,,imageName\nimg-00000001,x,a\n"] = "line 2: has a value in column 2, and the header no name for it",
      [first .. 'img-00000001,x,"' .. ("x"):rep(70000)] = "line 2: the value that a quote opens here is longer than 65536 bytes",
      [first .. "img-00000001,x," .. ("x"):rep(70000)] = "line 2: a value is longer than 65536 bytes",
    } do
      assert.equal(expected, faults(list), list:sub(1, 100))
    end
    local message = faults(first .. 'img-00000001,web-01b,"two\nlines"\nimg-00000002,' .. ("x"):rep(999) .. ",ok\n")
    assert.matches("^line 2: img%-00000001: imageDescription has a control character", message)
    assert.matches("\nline 4: img%-00000002: imageName must be at most %d+ characters; this has 999", message)
  end)

  it("has the format that an option says", function()
    assert.matches("^line 1: is not a JSON object on one line: ", faults("imageId\n", { format = "jsonl" }))
    assert.matches("^line 1: the header has no imageId", faults('{"a":1}', { format = "csv" }))
    assert.equal("1:1 x", planned('{"imageId":"img-00000001",\n"imageName":"x"}', { format = "json" }))
    assert.has_error(function()
      client:apply("", { format = "xml" })
    end, 'option format must be "csv" or "json" or "jsonl"')
    assert.has_error(function()
      client:apply(7)
    end, "changes must be a list or text, not a number")
  end)

  it("may go on without the lines at fault", function()
    local list = '{"imageId":"img-00000001","imageName":"new-1"}\n{"imageId":"img-00000002","imageName":7}\n'
      .. '{"imageId":"img-00000003","imageName":"new-3"}\n'
    local report = assert(client:apply(list, { continue = true }))
    assert.same({ 3, 2, 1 }, { report.total, report.ok, report.failed })
    assert.same({ 2, "img-00000002", "failed" }, {
      report.results[2].line,
      report.results[2].imageId,
      report.results[2].status,
    })
    assert.equal("new-1 old-2 new-3 old-4 old-5", catalogue.names(service))
  end)

  it("of a selection is filled from the images, oldest first", function()
    local select = { filters = { { name = "image-state", values = { "NORMAL" } } } }
    assert.equal("1:1 web-20231114-001 (was old-1, CentOS)\n1:2 web-20231114-002 (was old-2, CentOS)", (planned({
      { select = select, imageName = "web-%{date}-%{n:3}", imageDescription = "was %{imageName}, %{platform}" },
    }):match "^[^\n]*\n[^\n]*"))
    for template, expected in pairs {
      ["%{n:2"] = "imageName: has %{ without }",
      ["%{imageNam}"] = "imageName: unknown name in a template: imageNam (imageName?)",
      ["%{imageName:3}"] = "imageName: %{imageName:3}: only %{n} has a width",
    } do
      local report, message = client:apply { { select = { imageIds = { "img-00000001" } }, imageName = template } }
      assert.is_nil(report)
      assert.truthy(message:find(expected, 1, true), message)
    end
    local _, message = client:apply { { select = {}, imageName = "same" } }
    assert.matches("img%-00000001: wants the same name as img%-00000002 %(1%)", message)
    _, message = client:apply { { select = {}, imageName = ("x"):rep(999) .. "%{n:3}" } }
    assert.matches("img%-00000005: imageName must be at most %d+ characters; this has 1002", message)
    _, message = client:apply { { select = 7, imageName = "x" } }
    assert.matches("select must be a table", message)
  end)

  it("keeps to the rules of API 2.0", function()
    client, service = catalogue.client(catalogue.images(3), { apiVersion = "2.0" })
    assert.equal(
      "change 1: img-00000001: unknown parameter imageFamily (imageName?)",
      (faults { { imageId = "img-00000001", imageFamily = "x" } }:gsub(" %(known.*", " (imageName?)"))
    )
    assert.matches(
      "change 1: img%-00000001: imageName must be 1 to %d+ characters",
      faults {
        { imageId = "img-00000001", imageName = "a b" },
      }
    )
    assert.equal("1:1 new", planned { { imageId = "img-00000001", imageName = "new", imageDescription = "" } })
  end)
end)
