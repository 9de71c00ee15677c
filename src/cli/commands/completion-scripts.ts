/** Completion scripts. They evaluate nothing: neither what is typed nor what the program answers. */

/**
 * The completion script for bash. Not the library's script, which passes the command line to `eval`, never completes
 * file names, and needs the bash-completion package. Works with bash 3.2 (macOS) and later.
 */
export const BASH_SCRIPT = `# bash completion for opmas-ws

_opmas_ws() {
    local line value offered= current="" directive=0
    local -a words=()
    local i
    # Bash splits words at = and : as well; --format=json is one.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        if [[ \${#words[@]} -gt 0 && ( "\${COMP_WORDS[i]}" == [=:]* || "\${words[\${#words[@]}-1]}" == *[=:] ) ]]; then
            words[\${#words[@]}-1]+="\${COMP_WORDS[i]}"
        else
            words+=("\${COMP_WORDS[i]}")
        fi
    done
    current="\${words[\${#words[@]}-1]}"
    # Bash replaces what stands behind the =.
    case "$current" in
        --*=*) offered="\${current#*=}" ;;
        *) offered="$current" ;;
    esac
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ "$line" == :* ]]; then
            directive="\${line#:}"
            continue
        fi
        value="\${line%%$'\\t'*}"
        if [[ "$value" == "$offered"* ]]; then
            printf -v value '%q' "$value"
            COMPREPLY+=("$value")
        fi
    done < <(opmas-ws complete -- "\${words[@]}" 2>/dev/null)
    # 4: nothing but these, not even file names.
    if (( directive & 4 )); then
        compopt +o default 2>/dev/null
        compopt -o nosort 2>/dev/null
    fi
    # An id follows.
    if [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}

complete -o default -F _opmas_ws opmas-ws
`;

/**
 * The completion script for zsh. Not the library's script, which splits and evaluates the words that are typed. `compadd`
 * quotes what it inserts.
 */
export const ZSH_SCRIPT = `#compdef opmas-ws

_opmas-ws() {
    local line value description directive=0 prefix=""
    local -a typed values shown suffix
    # Without their quotes, and not evaluated.
    typed=("\${(@Q)words[2,CURRENT]}")
    [[ "\${typed[-1]}" == -*=* ]] && prefix="\${typed[-1]%%=*}="
    for line in "\${(@f)$(opmas-ws complete -- "\${typed[@]}" 2>/dev/null)}"; do
        if [[ "$line" == :* ]]; then
            directive="\${line#:}"
            continue
        fi
        [[ -n "$line" ]] || continue
        value="\${line%%$'\\t'*}"
        description="\${line#"$value"}"
        values+=("$prefix$value")
        shown+=("\${(r:24:)value} \${description#$'\\t'}")
    done
    if (( \${#values} )); then
        # An id follows the /.
        [[ \${#values} -eq 1 && "\${values[1]}" == */ ]] && suffix=(-S '')
        compadd "\${suffix[@]}" -l -d shown -- "\${values[@]}"
    elif (( ! (directive & 4) )); then
        compset -P '*='
        _files
    fi
}

if [ "\${funcstack[1]}" = "_opmas-ws" ]; then
    # zsh has loaded this file as the function itself.
    _opmas-ws
else
    # Registered before the first prompt: a start file may run compinit after this script, which forgets what was there.
    _opmas-ws-register() {
        add-zsh-hook -d precmd _opmas-ws-register
        (( \${+functions[compdef]} )) || { autoload -Uz compinit && compinit -i }
        compdef _opmas-ws opmas-ws
    }
    autoload -Uz add-zsh-hook
    add-zsh-hook precmd _opmas-ws-register
fi
`;
