//! Rules about services, and the edges that only the whole graph knows: what winds a service down waits for its clients.

use indexmap::IndexMap;

use super::GraphBuilder;
use super::report::refuse;
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::{Pip, PipId, Provenance, Rows};

/// The services that a pip talks to.
fn services_of(pip: &Pip) -> &[PipId] {
    match pip {
        Pip::Process(process) => process.rare.as_ref().map_or(&[], |rare| &rare.service.dependencies),
        Pip::Ipc(ipc) => &ipc.services,
        _ => &[],
    }
}

impl GraphBuilder {
    /// Services that a pip talks to must be there.
    pub(super) fn check_services(&self, services: &[PipId], at: &Provenance, found: &mut Vec<Diagnostic>) {
        for service in services {
            if self.services.contains(service) {
                continue;
            }
            let maker = self.origins.get(*service);
            let message = match maker {
                Some(maker) => format!("the process of value `{}` is named as a service but is none", maker.value),
                None => "a service is named that is not in this graph".to_owned(),
            };
            let diagnostic = refuse(Code::Dx(296), message, at, "it is named as a service here".to_owned());
            found.push(
                self.with_pip(diagnostic, at, *service, "it is made as an ordinary process here")
                    .help("make it with `Transformer.createService`, and name the `serviceId` of the result"),
            );
        }
    }

    /// The dependencies of all pips, with those of the pips that run before services end; none when there are no such
    /// pips.
    pub(super) fn dependencies_with_services(&self, found: &mut Vec<Diagnostic>) -> Option<Rows> {
        let clients = self.clients_before();
        if clients.is_empty() {
            return None;
        }
        let mut all = Rows::default();
        for index in 0..self.pips.len() as u32 {
            let mut row = self.dependencies.row(PipId(index)).to_vec();
            row.extend(clients.get(&PipId(index)).into_iter().flatten());
            row.sort_unstable();
            row.dedup();
            all.push(&row);
        }
        let dependents = all.reversed();
        for (last, clients) in &clients {
            let after = reachable(&dependents, *last);
            if let Some(client) = clients.iter().find(|client| after.get(client.0 as usize) == Some(&true)) {
                found.extend(self.waits_for_itself(*last, *client));
            }
        }
        Some(all)
    }

    /// For each pip that runs before a service ends, the clients of that service.
    fn clients_before(&self) -> IndexMap<PipId, Vec<PipId>> {
        let mut clients: IndexMap<PipId, Vec<PipId>> = IndexMap::new();
        if self.services.is_empty() {
            return clients;
        }
        for (index, pip) in self.pips.iter().enumerate() {
            for service in services_of(pip) {
                let Some(Pip::Process(process)) = self.pip(*service) else { continue };
                for last in process.rare.iter().flat_map(|rare| &rare.service.finalization) {
                    clients.entry(*last).or_default().push(PipId(index as u32));
                }
            }
        }
        clients
    }

    fn waits_for_itself(&self, last: PipId, client: PipId) -> Option<Diagnostic> {
        let (at, made) = (self.origins.get(client)?, self.origins.get(last)?);
        let message = format!(
            "value `{}` uses a service and needs what value `{}` makes only after all who use it",
            at.value, made.value
        );
        let diagnostic = refuse(Code::Ds(503), message, at, "it uses the service here".to_owned());
        let diagnostic = self.with_pip(diagnostic, at, last, "what runs before the service ends is made here");
        Some(diagnostic.help("let it depend on something that is made while the service runs"))
    }
}

/// The pips that come after `start`, by number.
fn reachable(dependents: &Rows, start: PipId) -> Vec<bool> {
    let mut reached = vec![false; dependents.len()];
    let mut open = vec![start];
    while let Some(pip) = open.pop() {
        for next in dependents.row(pip) {
            if let Some(seen) = reached.get_mut(next.0 as usize).filter(|seen| !**seen) {
                *seen = true;
                open.push(*next);
            }
        }
    }
    reached
}
