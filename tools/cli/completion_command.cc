#include <algorithm>

#include "tools/cli/commands.h"
#include "tools/cli/outcome.h"
#include "tools/cli/output.h"

// Completion for shells, made of the command line itself.
namespace carillon::cli {
namespace {

struct Word {
  std::string text;
  std::string help;
};

struct Node {
  std::string path;  // "carillon context add"
  std::vector<Word> words;
};

// Quotes for all three shells: what is between them is short English of ours.
std::string Quoted(std::string text) {
  std::erase_if(text, [](char c) { return c == '\'' || c == '\\' || c == '\n'; });
  return "'" + text + "'";
}

void Walk(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  Node node{path, {}};
  for (const CLI::App* command : app.get_subcommands(nullptr))
    node.words.push_back({command->get_name(), command->get_description()});
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) node.words.push_back({"--" + name, option->get_description()});
    for (const std::string& name : option->get_snames()) node.words.push_back({"-" + name, option->get_description()});
  }
  nodes.push_back(std::move(node));
  for (const CLI::App* command : app.get_subcommands(nullptr)) Walk(*command, path + " " + command->get_name(), nodes);
}

std::string Joined(const Node& node) {
  std::string joined;
  for (const Word& word : node.words) joined += (joined.empty() ? "" : " ") + word.text;
  return joined;
}

// The part that bash and zsh share: which command the words lead to, and what may follow it.
std::string Cases(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) text += fmt::format("    {}) candidates='{}' ;;\n", Quoted(node.path), Joined(node));
  return text;
}

std::string PathsOf(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) text += (text.empty() ? "" : "|") + Quoted(node.path);
  return text;
}

std::string Bash(const std::vector<Node>& nodes) {
  return fmt::format(R"(# bash completion of carillon: source <(carillon completion bash)
_carillon() {{
  local reached=carillon next at candidates=''
  for ((at = 1; at < COMP_CWORD; ++at)); do
    next="$reached ${{COMP_WORDS[at]}}"
    case "$next" in {}) reached=$next ;; esac
  done
  case "$reached" in
{}  esac
  case "${{COMP_WORDS[COMP_CWORD-1]}}" in -o|--output) candidates='table json jsonl' ;; esac
  COMPREPLY=($(compgen -W "$candidates" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _carillon carillon
)",
                     PathsOf(nodes), Cases(nodes));
}

std::string Zsh(const std::vector<Node>& nodes) {
  return fmt::format(R"(#compdef carillon
# zsh completion of carillon: source <(carillon completion zsh)
_carillon() {{
  local reached=carillon next at candidates=''
  for ((at = 2; at < CURRENT; ++at)); do
    next="$reached ${{words[at]}}"
    case "$next" in {}) reached=$next ;; esac
  done
  case "$reached" in
{}  esac
  case "${{words[CURRENT-1]}}" in -o|--output) candidates='table json jsonl' ;; esac
  compadd -- ${{=candidates}} || _files
}}
compdef _carillon carillon
)",
                     PathsOf(nodes), Cases(nodes));
}

std::string Fish(const std::vector<Node>& nodes) {
  std::string text = "# fish completion of carillon: carillon completion fish | source\n";
  for (const Node& node : nodes) {
    std::string condition = node.path == "carillon" ? "__fish_use_subcommand" : "";
    for (size_t at = node.path.find(' '); at != std::string::npos; at = node.path.find(' ', at + 1)) {
      size_t end = node.path.find(' ', at + 1);
      condition += (condition.empty() ? "" : "; and ") + std::string("__fish_seen_subcommand_from ") +
                   node.path.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    }
    for (const Word& word : node.words) {
      std::string kind = word.text.starts_with("--")  ? "-l " + word.text.substr(2)
                         : word.text.starts_with("-") ? "-s " + word.text.substr(1)
                                                      : "-f -a " + word.text;
      text += fmt::format("complete -c carillon -n '{}' {} -d {}\n", condition, kind, Quoted(word.help));
    }
  }
  return text;
}

}  // namespace

void AddCompletion(CLI::App& app, int* exit_code) {
  struct Shell {
    const char* name;
    std::string (*script)(const std::vector<Node>& nodes);
  };
  CLI::App* completion =
      app.add_subcommand("completion", "Print what makes a shell complete commands and flags")->group(kConvenience);
  completion->require_subcommand(1);
  for (const Shell& shell : {Shell{"bash", Bash}, Shell{"zsh", Zsh}, Shell{"fish", Fish}}) {
    CLI::App* command = completion->add_subcommand(shell.name, fmt::format("For {}", shell.name));
    command->callback([&app, exit_code, script = shell.script] {
      std::vector<Node> nodes;
      Walk(app, "carillon", nodes);
      *exit_code = Report(Print(script(nodes)));
    });
  }
}

}  // namespace carillon::cli
