/**
 * The completion script for bash. Our own, because the library's runs what stands on the command line (it hands it to
 * `eval`), never offers file names, and needs the bash-completion package. Works with bash 3.2 (macOS) and later.
 */
export const BASH_COMPLETION = `# bash completion for opmas-ws

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
        [[ "$value" == "$offered"* ]] && COMPREPLY+=("$value")
    done < <(opmas-ws complete -- "\${words[@]}" 2>/dev/null)
    # 4: nothing but these, not even file names.
    if (( directive & 4 )); then
        compopt +o default 2>/dev/null
        compopt -o nosort 2>/dev/null
    fi
    return 0
}

complete -o default -F _opmas_ws opmas-ws
`;
