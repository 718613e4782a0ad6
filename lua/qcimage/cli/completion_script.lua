--- completion_script.lua - qcimage completion: a script by which a shell completes the command. It asks the command itself,
--- see complete.lua.
--- Part of qcimage, see LICENSE.

local stdio = require "qcimage.cli.stdio"

local M = {}

M.standsAlone = true

M.ARGUMENTS = { { "SHELL", "bash, zsh or fish", target = "shell", choices = { "bash", "zsh", "fish" } } }

M.OPTIONS = {}

M.EXAMPLES = {
  "source <(qcimage completion bash)      # in ~/.bashrc",
  "source <(qcimage completion zsh)       # in ~/.zshrc",
  "qcimage completion fish >~/.config/fish/completions/qcimage.fish",
}

local SCRIPTS = {}

-- bash takes words apart at "=" and ":", unless COMP_WORDBREAKS was changed; what no blank divides is put together again.
SCRIPTS.bash = [=[
# Completes qcimage in bash: source <(qcimage completion bash)
_qcimage() {
  local IFS=$'\n' i rest=${COMP_LINE#*"${COMP_WORDS[0]}"} before=() word='' reply
  for ((i = 1; i <= COMP_CWORD; i++)); do
    if [[ $rest == [[:space:]]* ]]; then
      before+=("$word")
      word=''
    fi
    rest=${rest#*"${COMP_WORDS[i]}"}
    [[ $i == "$COMP_CWORD" && ${COMP_WORDS[i]} != [:=]* ]] || word+=${COMP_WORDS[i]}
  done
  reply=$("$1" __complete "$word$2" "${before[@]:1}" 2>/dev/null </dev/null)
  if [[ $reply == :files ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$2"))
  else
    COMPREPLY=($(cut -f 1 <<<"$reply"))
    COMPREPLY=("${COMPREPLY[@]#"$word"}")
  fi
}
complete -F _qcimage qcimage
]=]

SCRIPTS.zsh = [=[
#compdef qcimage
# Completes qcimage in zsh: source <(qcimage completion zsh), or a file _qcimage in a folder of $fpath.
_qcimage() {
  local -a lines found
  local line
  lines=(${(f)"$("${words[1]}" __complete "$PREFIX" "${(@)words[2,CURRENT-1]}" 2>/dev/null </dev/null)"})
  if [[ ${lines[1]} == :files ]]; then
    _files
    return
  fi
  for line in $lines; do
    found+=("${${line%%$'\t'*}//:/\\:}${${(M)line%$'\t'*}/$'\t'/:}")
  done
  _describe qcimage found
}
if [[ $funcstack[1] == _qcimage ]]; then
  _qcimage "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
  compdef _qcimage qcimage
fi
]=]

SCRIPTS.fish = [=[
# Completes qcimage in fish: qcimage completion fish >~/.config/fish/completions/qcimage.fish
function __qcimage_complete
    set -l before (commandline -opc)
    set -l program $before[1]
    set -e before[1]
    set -l current (commandline -ct)
    set -l lines ($program __complete "$current" $before 2>/dev/null </dev/null)
    if test "$lines[1]" = :files
        __fish_complete_path "$current"
    else
        printf '%s\n' $lines
    end
end
complete -c qcimage -f -a '(__qcimage_complete)'
]=]

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  return stdio.write(SCRIPTS[options.shell])
end

return M
