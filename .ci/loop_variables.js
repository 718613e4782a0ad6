// usage: NODE_PATH=… node loop_variables.js FILE-OR-FOLDER…
// Finds assignments to the control variable of a loop (the first name of a generic for), which Lua 5.5 refuses to
// compile and every Lua before it accepts. Prints FILE:LINE: NAME, and ends with status 1 when it found one, or a file
// that Lua 5.1 does not take.

const fs = require('fs')
const path = require('path')
const luaparse = require('luaparse')

// Lines of a source text that assign to a control variable.
function assignments(source) {
  const found = []

  // Declares names in the innermost scope; isControl: they are read-only in Lua 5.5.
  function declare(scope, identifiers, isControl) {
    for (const { name } of identifiers) scope[name] = isControl
  }

  function assign(scope, target) {
    if (target.type === 'Identifier' && scope[target.name]) {
      found.push({ line: target.loc.start.line, name: target.name })
    }
    visit(scope, target)
  }

  // A block whose scope begins with names that are declared before its first statement.
  function block(outer, body, declarations = () => {}) {
    const scope = Object.create(outer)
    declarations(scope)
    visit(scope, body)
    return scope
  }

  function visit(scope, node) {
    if (Array.isArray(node)) {
      for (const one of node) visit(scope, one)
    } else if (node && typeof node.type === 'string') {
      const special = nodes[node.type]
      if (special) special(scope, node)
      else for (const key of Object.keys(node)) visit(scope, node[key])
    }
  }

  const nodes = {
    Chunk: (scope, node) => block(scope, node.body),
    DoStatement: (scope, node) => block(scope, node.body),
    IfClause: (scope, node) => (visit(scope, node.condition), block(scope, node.body)),
    ElseifClause: (scope, node) => (visit(scope, node.condition), block(scope, node.body)),
    ElseClause: (scope, node) => block(scope, node.body),
    WhileStatement: (scope, node) => (visit(scope, node.condition), block(scope, node.body)),
    RepeatStatement: (scope, node) => visit(block(scope, node.body), node.condition),
    LocalStatement: (scope, node) => (visit(scope, node.init), declare(scope, node.variables, false)),
    AssignmentStatement(scope, node) {
      visit(scope, node.init)
      for (const target of node.variables) assign(scope, target)
    },
    FunctionDeclaration(scope, node) {
      if (node.identifier && node.isLocal) declare(scope, [node.identifier], false)
      else if (node.identifier) assign(scope, node.identifier)
      block(scope, node.body, (inner) => declare(inner, node.parameters.filter((one) => one.name), false))
    },
    ForNumericStatement(scope, node) {
      visit(scope, [node.start, node.end, node.step])
      block(scope, node.body, (inner) => declare(inner, [node.variable], true))
    },
    ForGenericStatement(scope, node) {
      visit(scope, node.iterators)
      block(scope, node.body, (inner) => {
        declare(inner, node.variables.slice(1), false)
        declare(inner, node.variables.slice(0, 1), true)
      })
    },
  }

  visit(Object.create(null), luaparse.parse(source, { luaVersion: '5.1', locations: true, comments: false }))
  return found
}

// What the check itself must find, or it finds nothing anywhere.
for (const [source, count] of [
  ['for i = 1, 3 do i = i + 1 end', 1],
  ['for k, v in pairs(t) do k = v end', 1],
  ['for k in f() do if k then x, k = 1, 2 end end', 1],
  ['for k in f() do g(function() return function() k = 1 end end) end', 1],
  ['for k in f() do repeat local k = 1; k = 2 until h(function() k = 3 end); k = 4 end', 1],
  ['for k in f() do function k() end end', 1],
  ['for i = 1, 2 do for j = 1, 2 do i = j end end', 1],
  ['for i = 1, 3 do local i = i; i = i + 1 end', 0],
  ['for i = 1, 3 do local function i() end; i = nil end', 0],
  ['for k, v in pairs(t) do v = k; t[k] = v; t.k = v; k.x = v end', 0],
  ['for i = 1, 3 do g(function(i) i = 2 end) end i = 4', 0],
  ['local i for i = 1, 3 do g(i) end i = 4', 0],
]) {
  if (assignments(source).length !== count) throw new Error(`does not see what it looks for: ${source}`)
}

function luaFiles(name) {
  if (!fs.statSync(name).isDirectory()) return [name]
  return fs
    .readdirSync(name)
    .flatMap((entry) => luaFiles(path.join(name, entry)))
    .filter((file) => file.endsWith('.lua'))
}

const files = process.argv.slice(2).flatMap(luaFiles)
if (files.length === 0) throw new Error('no file to look at')
function complain(text) {
  console.log(text)
  process.exitCode = 1
}
for (const file of files) {
  try {
    for (const { line, name } of assignments(fs.readFileSync(file, 'latin1'))) {
      complain(`${file}:${line}: assigns to the loop's variable ${name}, which Lua 5.5 refuses`)
    }
  } catch (problem) {
    complain(`${file}: ${problem.message}`)
  }
}
