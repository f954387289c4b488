#include "tools/cli/contexts.h"

#include <algorithm>
#include <boost/json/object.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/connection.h"
#include "tools/cli/outcome.h"
#include "tools/cli/output.h"

namespace carillon::cli {
namespace {

Status CheckName(const std::string& name) {
  bool good = !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-');
  });
  return good ? absl::OkStatus() : InvalidArgument("\"{}\" is no name of a context: 1 to 64 of [A-Za-z0-9._-]", name);
}

Status NoSuch(const std::string& name) {
  return WithAdvice(InvalidArgument("there is no context \"{}\"", name), "\"carillon context ls\" lists them");
}

Status Add(const std::string& name, const ConnectionFlags& flags, bool select) {
  RETURN_IF_ERROR(CheckName(name));
  ASSIGN_OR_RETURN(Settings given, flags.Given());
  if (!given.contains("address")) return InvalidArgument("--address is missing: where the gateway of \"{}\" is", name);
  ASSIGN_OR_RETURN(Contexts contexts, ReadContexts());
  contexts.all[name] = std::move(given);
  if (select || contexts.all.size() == 1) contexts.selected = name;
  RETURN_IF_ERROR(WriteContexts(contexts));
  Say(fmt::format("added {}{}", name, contexts.selected == name ? ", which is selected" : ""));
  return absl::OkStatus();
}

Status Select(const std::string& name) {
  ASSIGN_OR_RETURN(Contexts contexts, ReadContexts());
  if (!contexts.all.contains(name)) return NoSuch(name);
  contexts.selected = name;
  return WriteContexts(contexts);
}

Status Remove(const std::string& name) {
  ASSIGN_OR_RETURN(Contexts contexts, ReadContexts());
  if (contexts.all.erase(name) == 0) return NoSuch(name);
  if (contexts.selected == name) contexts.selected.clear();
  return WriteContexts(contexts);
}

// A key is said to be there, and nothing more of it.
Status List(Format format) {
  ASSIGN_OR_RETURN(Contexts contexts, ReadContexts());
  ListPrinter printer(format, {{"SELECTED", "selected"},
                               {"NAME", "name"},
                               {"ADDRESS", "address"},
                               {"APP", "app"},
                               {"TLS", "tls"},
                               {"KEY", "key"}});
  for (const auto& [name, settings] : contexts.all) {
    boost::json::object row{{"selected", name == contexts.selected}, {"name", name}};
    for (const char* setting : {"address", "app", "key_file", "ca", "cert", "cert_key"}) {
      if (settings.contains(setting)) row[setting] = settings.at(setting);
    }
    row["tls"] = settings.contains("tls") || settings.contains("ca") || settings.contains("cert");
    row["key"] = settings.contains("key")        ? "in the context"
                 : settings.contains("key_file") ? "in " + settings.at("key_file")
                                                 : "none";
    RETURN_IF_ERROR(printer.Add(row));
  }
  return printer.End();
}

}  // namespace

void AddContext(CLI::App& app, int* exit_code) {
  CLI::App* context =
      app.add_subcommand("context", "Remember gateways by name: address, file of the key, TLS")->group(kConvenience);
  context->require_subcommand(1);

  auto name = std::make_shared<std::string>();
  auto select = std::make_shared<bool>(false);
  CLI::App* add = context->add_subcommand("add", "Add a context, or replace it");
  add->add_option("name", *name, "What to call it")->required();
  add->add_flag("--select", *select, "And select it; the first one is");
  auto flags = std::make_shared<ConnectionFlags>(*add);
  add->callback([=] { *exit_code = Report(Add(*name, *flags, *select)); });

  CLI::App* choose = context->add_subcommand("select", "Use this context where no other gateway is said");
  choose->add_option("name", *name, "Which")->required();
  choose->callback([=] { *exit_code = Report(Select(*name)); });

  CLI::App* list = context->add_subcommand("ls", "List the contexts; keys are not shown");
  auto output = std::make_shared<OutputFlag>(*list);
  list->callback([=] { *exit_code = Report(List(output->format())); });

  CLI::App* remove = context->add_subcommand("rm", "Forget a context");
  remove->add_option("name", *name, "Which")->required();
  remove->callback([=] { *exit_code = Report(Remove(*name)); });
}

}  // namespace carillon::cli
