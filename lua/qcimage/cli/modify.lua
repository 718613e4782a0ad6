--- modify.lua - qcimage modify: changes an image.
--- Part of qcimage, see LICENSE.

local connect = require "qcimage.cli.client_options"
local core = require "qcimage.core"
local result = require "qcimage.cli.output"
local streams = require "qcimage.cli.stdio"

local M = {}

M.USAGE = "modify IMAGE_ID [--name NAME] [--description TEXT] [--family FAMILY] [--deprecated true|false]"

M.ARGUMENTS = { { "IMAGE_ID", "the image", target = "imageId" } }

M.OPTIONS = {
  { "--name", "NAME", "its new name", target = "imageName" },
  { "--description", "TEXT", "its new description", target = "imageDescription" },
  { "--family", "FAMILY", "its family (API 3.0)", target = "imageFamily" },
  {
    "--deprecated",
    "true|false",
    "whether it is deprecated (API 3.0)",
    target = "imageDeprecated",
    choices = { "true", "false" },
  },
}

local CHANGES = { "imageName", "imageDescription", "imageFamily" }

local COLUMNS = {
  { key = "imageId", title = "IMAGE ID" },
  { key = "requestId", title = "REQUEST ID" },
}

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local params = { imageId = options.imageId }
  for _, name in ipairs(CHANGES) do
    params[name] = options[name]
  end
  if options.imageDeprecated then
    params.imageDeprecated = options.imageDeprecated == "true"
  end
  if next(params, next(params)) == nil then
    return streams.usage("nothing to change: --name, --description, --family or --deprecated is needed", "modify")
  end
  local client, problem = connect.client(options)
  if not client then
    return streams.usage(problem, "modify")
  end
  core.outlivePipes() -- what comes of a change is told, whoever has gone
  local changed, message, err = client:modify(params)
  if not changed then
    return result.fail(message, err)
  end
  local row = { imageId = options.imageId, requestId = changed.requestId }
  return result.write(options, result.document(changed), COLUMNS, { row }, true)
end

return M
