//! Plants mutants: rewrites a source file so that each of them can be switched on while it runs.
//!
//! cargo-mutants builds the crate once for each mutant; here one build holds all of them, and `crate::mutant(n)` says whether
//! the n-th is the one that is tried. The operators are the same, and one more: a check that never fires.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprIf, ExprUnary, ReturnType, Signature, Stmt, Type, UnOp, parse_quote,
};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    pub file: String,
    pub line: usize,
    pub function: String,
    pub what: String,
}

/// The file with its mutants in it, which are appended to `mutants`.
pub fn plant(file: &str, text: &str, mutants: &mut Vec<Mutant>) -> syn::Result<String> {
    let mut tree = syn::parse_file(text)?;
    Planter { file, function: String::new(), mutants }.visit_file_mut(&mut tree);
    Ok(prettyplease::unparse(&tree))
}

struct Planter<'a> {
    file: &'a str,
    function: String,
    mutants: &'a mut Vec<Mutant>,
}

impl Planter<'_> {
    fn new_mutant(&mut self, at: Span, what: impl Into<String>) -> Expr {
        let n = u32::try_from(self.mutants.len()).unwrap_or(u32::MAX);
        let (file, function) = (self.file.to_owned(), self.function.clone());
        self.mutants.push(Mutant { file, line: at.start().line, function, what: what.into() });
        parse_quote!(crate::mutant(#n))
    }

    fn function(&mut self, signature: &Signature, block: &mut Block) {
        // What runs at compile time cannot ask.
        if signature.constness.is_some() {
            return;
        }
        let outer = std::mem::replace(&mut self.function, signature.ident.to_string());
        visit_mut::visit_block_mut(self, block);
        for value in values(&signature.output) {
            let what = match &value {
                None => "returns at once".to_owned(),
                Some(value) => format!("returns {} at once", quote::quote!(#value)),
            };
            let on = self.new_mutant(signature.ident.span(), what);
            block.stmts.insert(0, parse_quote!(if #on { return #value; }));
        }
        self.function = outer;
    }

    fn binary(&mut self, binary: &ExprBinary) -> Option<Expr> {
        let ExprBinary { left, op, right, .. } = binary;
        let (other, shown) = match op {
            BinOp::Eq(_) => (parse_quote!(!=), "== becomes !="),
            BinOp::Ne(_) => (parse_quote!(==), "!= becomes =="),
            BinOp::Lt(_) => (parse_quote!(<=), "< becomes <="),
            BinOp::Le(_) => (parse_quote!(<), "<= becomes <"),
            BinOp::Gt(_) => (parse_quote!(>=), "> becomes >="),
            BinOp::Ge(_) => (parse_quote!(>), ">= becomes >"),
            BinOp::Add(_) => (parse_quote!(-), "+ becomes -"),
            BinOp::Sub(_) => (parse_quote!(+), "- becomes +"),
            BinOp::AddAssign(_) => (parse_quote!(-=), "+= becomes -="),
            BinOp::SubAssign(_) => (parse_quote!(+=), "-= becomes +="),
            BinOp::And(_) | BinOp::Or(_) if has_let(left) || has_let(right) => return None,
            // Without saying anything twice: nested ones would grow without end.
            BinOp::And(_) => {
                let on = self.new_mutant(op.span(), "&& becomes ||");
                return Some(parse_quote!({ let left: bool = #left; if left != #on { #right } else { left } }));
            }
            BinOp::Or(_) => {
                let on = self.new_mutant(op.span(), "|| becomes &&");
                return Some(parse_quote!({ let left: bool = #left; if left == #on { #right } else { left } }));
            }
            _ => return None,
        };
        let other: BinOp = other;
        let on = self.new_mutant(op.span(), shown);
        Some(parse_quote!((if #on { #left #other #right } else { #left #op #right })))
    }
}

impl VisitMut for Planter<'_> {
    fn visit_item_mod_mut(&mut self, item: &mut syn::ItemMod) {
        if !item.attrs.iter().any(is_test) {
            visit_mut::visit_item_mod_mut(self, item);
        }
    }

    fn visit_item_fn_mut(&mut self, item: &mut syn::ItemFn) {
        if !item.attrs.iter().any(is_test) {
            self.function(&item.sig, &mut item.block);
        }
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut syn::ImplItemFn) {
        self.function(&item.sig, &mut item.block);
    }

    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        // What people read.
        let shown =
            item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last()).map(|last| last.ident.to_string());
        if !matches!(shown.as_deref(), Some("Display" | "Debug" | "Hasher")) {
            visit_mut::visit_item_impl_mut(self, item);
        }
    }

    fn visit_item_const_mut(&mut self, _: &mut syn::ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut syn::ItemStatic) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut syn::ImplItemConst) {}
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_pat_mut(&mut self, _: &mut syn::Pat) {}
    fn visit_expr_repeat_mut(&mut self, _: &mut syn::ExprRepeat) {}
    fn visit_expr_const_mut(&mut self, _: &mut syn::ExprConst) {}

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        visit_mut::visit_arm_mut(self, arm);
        if let Some((token, guard)) = arm.guard.as_mut().filter(|(_, guard)| !has_let(guard)) {
            let at = token.span();
            let yes = self.new_mutant(at, "guard is always true");
            let no = self.new_mutant(at, "guard is always false");
            **guard = parse_quote!(#yes || ({ #guard } && !#no));
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        // A `!` in there is one of bits.
        if let Expr::Binary(ExprBinary { op: BinOp::BitAnd(_) | BinOp::BitOr(_) | BinOp::BitXor(_), .. }) = expr {
            return;
        }
        visit_mut::visit_expr_mut(self, expr);
        let changed = match expr {
            Expr::Binary(binary) => self.binary(binary),
            Expr::Unary(ExprUnary { op: UnOp::Not(token), expr: inner, .. }) if !matches!(**inner, Expr::Lit(_)) => {
                let on = self.new_mutant(token.span(), "! is left out");
                Some(parse_quote!(((!#inner) != #on)))
            }
            Expr::If(ExprIf { if_token, cond, else_branch: None, .. }) => {
                let on = self.new_mutant(if_token.span(), "this `if` never fires");
                **cond = if has_let(cond) { parse_quote!(#cond && !#on) } else { parse_quote!({ #cond } && !#on) };
                None
            }
            _ => None,
        };
        if let Some(changed) = changed {
            *expr = changed;
        }
    }

    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        let at = stmt.span();
        visit_mut::visit_stmt_mut(self, stmt);
        if let Stmt::Expr(call @ (Expr::Try(_) | Expr::MethodCall(_) | Expr::Call(_)), Some(_)) = stmt {
            let on = self.new_mutant(at, "this statement is left out");
            *stmt = parse_quote!(if !#on { #call; });
        }
    }
}

fn is_test(attribute: &syn::Attribute) -> bool {
    let text = quote::quote!(#attribute).to_string();
    text.contains("test")
}

/// A condition with `let` in it takes only `&&` beside it.
fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(ExprBinary { left, right, .. }) => has_let(left) || has_let(right),
        Expr::Paren(inner) => has_let(&inner.expr),
        _ => false,
    }
}

/// What a function may return at once instead of doing its work.
fn values(output: &ReturnType) -> Vec<Option<Expr>> {
    let ReturnType::Type(_, ty) = output else { return vec![None] };
    let text = quote::quote!(#ty).to_string().replace(' ', "");
    match text.as_str() {
        "bool" => vec![Some(parse_quote!(true)), Some(parse_quote!(false))],
        "u8" | "u16" | "u32" | "u64" | "usize" => vec![Some(parse_quote!(0)), Some(parse_quote!(1))],
        text if text.starts_with("Option<") => vec![Some(parse_quote!(None))],
        text if text.starts_with("Result<(),") => vec![Some(parse_quote!(Ok(())))],
        text if text.starts_with("Vec<") => vec![Some(parse_quote!(Vec::new()))],
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(text: &str) -> (String, Vec<String>) {
        let mut mutants = Vec::new();
        let planted = plant("a.rs", text, &mut mutants).unwrap();
        (
            planted,
            mutants.into_iter().map(|mutant| format!("{} {} {}", mutant.line, mutant.function, mutant.what)).collect(),
        )
    }

    #[test]
    fn every_operator_is_planted_where_it_stands() {
        let (text, mutants) = planted(
            "fn f(a: u8) -> bool {\n    if a > 1 {\n        return false;\n    }\n    check(a)?;\n    !g() && a == 2\n}\n",
        );
        let expected = [
            "2 f > becomes >=",
            "2 f this `if` never fires",
            "5 f this statement is left out",
            "6 f ! is left out",
            "6 f == becomes !=",
            "6 f && becomes ||",
            "1 f returns true at once",
            "1 f returns false at once",
        ];
        assert_eq!(mutants, expected, "{text}");
        assert_eq!(text.matches("crate::mutant(").count(), expected.len(), "{text}");
    }

    #[test]
    fn conditions_with_let_get_no_or_and_tests_and_constants_get_nothing() {
        let (text, mutants) = planted(
            "const A: u8 = 1 + 2;\nconst fn c() -> bool { 1 < 2 }\n#[cfg(test)]\nmod tests { fn t() { g(); } }\n\
             fn f(a: Option<u8>) { if let Some(b) = a && b.is_ok() {} }\n",
        );
        assert_eq!(mutants, ["5 f this `if` never fires", "5 f returns at once"], "{text}");
    }
}
