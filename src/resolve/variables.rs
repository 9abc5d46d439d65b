//! Local variables: scopes, frame slots, captures, and which variables must live in cells.

use rustc_hash::FxHashMap;

use super::ir::{CaptureSource, Code, Expr, ExprId, Stmt, StmtId, Variable};
use crate::source::{Location, Symbol};

/// How far the definition of a variable has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its block has begun, its definition comes later.
    Later,
    /// Its own value is being lowered.
    Defining,
    /// It can be used.
    Defined,
    /// It is declared in a form that a rule refuses; uses are no further mistake.
    Broken,
}

/// A local variable or parameter.
#[derive(Debug)]
pub(super) struct Var {
    pub place: Location,
    pub slot: u32,
    pub constant: bool,
    pub stage: Stage,
    pub assigned: bool,
    pub captured: bool,
    /// Whether a closure in its own definition refers to it: the cell must exist before the value.
    pub recursive: bool,
    /// The expressions that read or change it, in this function and inner ones.
    pub uses: Vec<ExprId>,
    /// The statement that makes it.
    pub definition: Option<StmtId>,
    /// The statements that only add to it.
    pub growths: Vec<StmtId>,
}

impl Var {
    /// Whether it lives in a cell. Final once its scope has ended.
    pub fn in_cell(&self) -> bool {
        self.captured && (self.assigned || self.recursive)
    }
}

/// The variables of one function while it is being lowered.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub vars: Vec<Var>,
    scopes: Vec<Scope>,
    next_slot: u32,
    /// The most slots in use at once.
    pub slots: u32,
    pub captures: Vec<CaptureSource>,
    capture_of: FxHashMap<(usize, usize), u32>,
}

#[derive(Debug)]
struct Scope {
    names: Vec<(Symbol, usize)>,
    first_slot: u32,
}

impl Frame {
    pub fn open(&mut self) {
        self.scopes.push(Scope { names: Vec::new(), first_slot: self.next_slot });
    }

    /// Ends the innermost scope. Its slots can be used again; its variables turn into cells where they must.
    pub fn close(&mut self, code: &mut Code) {
        let Some(scope) = self.scopes.pop() else { return };
        self.next_slot = scope.first_slot;
        for (_, index) in scope.names {
            let var = &self.vars[index];
            if !var.in_cell() {
                if !var.growths.is_empty() {
                    for id in &var.uses {
                        to_grown(&mut code.exprs[id.0 as usize]);
                    }
                }
                continue;
            }
            for id in &var.growths {
                let stmt = &mut code.stmts[id.0 as usize];
                if let Stmt::Grow { whole, .. } = *stmt {
                    *stmt = Stmt::Expr(whole);
                }
            }
            for id in &var.uses {
                to_cell(&mut code.exprs[id.0 as usize]);
            }
            if let Some(definition) = var.definition
                && let Stmt::Let { cell, .. } = &mut code.stmts[definition.0 as usize]
            {
                *cell = true;
            }
        }
    }

    /// Adds a variable to the innermost scope; the first one with the same name there comes back as a clash.
    pub fn add(&mut self, name: Symbol, place: Location, constant: bool, stage: Stage) -> (usize, Option<Location>) {
        let slot = self.next_slot;
        self.next_slot += 1;
        self.slots = self.slots.max(self.next_slot);
        let index = self.vars.len();
        self.vars.push(Var {
            place,
            slot,
            constant,
            stage,
            assigned: false,
            captured: false,
            recursive: false,
            uses: Vec::new(),
            definition: None,
            growths: Vec::new(),
        });
        let mut clash = None;
        if let Some(scope) = self.scopes.last_mut() {
            let first = scope.names.iter().find(|(known, _)| *known == name);
            clash = first.map(|(_, index)| self.vars[*index].place);
            scope.names.push((name, index));
        }
        (index, clash)
    }

    /// The variable that a name means in this function.
    pub fn find(&self, name: Symbol) -> Option<usize> {
        let scopes = self.scopes.iter().rev();
        scopes.flat_map(|scope| scope.names.iter().rev()).find(|(known, _)| *known == name).map(|(_, index)| *index)
    }

    /// The variable declared at a place of the innermost scope.
    pub fn declared_at(&self, place: Location) -> Option<usize> {
        let scope = self.scopes.last()?;
        scope.names.iter().map(|(_, index)| *index).find(|index| self.vars[*index].place == place)
    }

    /// The variable in scope that has a slot.
    pub fn in_slot(&mut self, slot: u32) -> Option<&mut Var> {
        let mut names = self.scopes.iter().flat_map(|scope| &scope.names);
        let index = names.find(|(_, index)| self.vars[*index].slot == slot).map(|(_, index)| *index)?;
        Some(&mut self.vars[index])
    }

    /// The names of all variables in scope.
    pub fn names(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.scopes.iter().flat_map(|scope| scope.names.iter().map(|(name, _)| *name))
    }

    /// The capture of a variable of an outer frame; `source` is where the enclosing function has it.
    pub fn capture(&mut self, frame: usize, var: usize, source: CaptureSource) -> u32 {
        let captures = &mut self.captures;
        *self.capture_of.entry((frame, var)).or_insert_with(|| {
            captures.push(source);
            captures.len() as u32 - 1
        })
    }
}

fn to_grown(expr: &mut Expr) {
    if let Expr::Local(slot) = expr {
        *expr = Expr::LocalGrown(*slot);
    }
}

fn to_cell(expr: &mut Expr) {
    match expr {
        Expr::Local(slot) => *expr = Expr::LocalCell(*slot),
        Expr::Capture(index) => *expr = Expr::CaptureCell(*index),
        Expr::Assign { target, .. } | Expr::Update { target, .. } => {
            if let Variable::Local(slot) = target {
                *target = Variable::LocalCell(*slot);
            }
        }
        _ => {}
    }
}
