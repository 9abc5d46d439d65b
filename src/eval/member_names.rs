//! What may stand after the dot behind a value.

use super::machine::Machine;
use super::native::Receiver;
use super::value::Value;
use crate::program::{DeclKind, ModuleId, NamespaceId, NamespaceMember};

impl Machine<'_, '_> {
    /// The names of the members of a value that specs of a module see: own fields first, then natives, each sorted.
    pub fn member_names(&self, value: Value<'_>, viewer: ModuleId) -> Vec<String> {
        let mut own: Vec<&str> = match value {
            Value::Object(object) => object.keys.iter().map(|key| self.symbols().text(*key)).collect(),
            Value::Namespace(namespace, _) => self.names_of_namespace(namespace, viewer),
            _ => Vec::new(),
        };
        own.sort_unstable();
        let natives = Receiver::of(value).map(|receiver| self.shared.members.names(receiver)).unwrap_or_default();
        own.into_iter().chain(natives).map(str::to_owned).collect()
    }

    fn names_of_namespace(&self, namespace: NamespaceId, viewer: ModuleId) -> Vec<&str> {
        let program = self.program();
        let namespace = &program.namespaces[namespace.index()];
        let sees_all = namespace.module == viewer || Some(namespace.module) == program.prelude;
        let members = namespace.members.iter().filter(|(_, member)| match member {
            NamespaceMember::Decl(decl) => {
                let decl = &program.decls[decl.index()];
                decl.kind != DeclKind::Type && (sees_all || decl.public)
            }
            NamespaceMember::Namespace(_) => true,
            NamespaceMember::Type(_) => false,
        });
        members.map(|(name, _)| self.symbols().text(*name)).collect()
    }
}
