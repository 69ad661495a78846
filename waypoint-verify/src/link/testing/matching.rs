//! Maximum bipartite matching by brute force.

/// Size of a maximum matching (Kuhn). `edges`: per debt, the payers that it may have; `without`: a debt that is left out.
pub fn matching(edges: &[Vec<usize>], payers: usize, without: Option<usize>) -> usize {
    fn augment(debt: usize, edges: &[Vec<usize>], seen: &mut [bool], pays: &mut [Option<usize>]) -> bool {
        edges[debt].iter().any(|payer| {
            if std::mem::replace(&mut seen[*payer], true) {
                return false;
            }
            let free = pays[*payer].is_none_or(|other| augment(other, edges, seen, pays));
            if free {
                pays[*payer] = Some(debt);
            }
            free
        })
    }
    let mut pays = vec![None; payers];
    let debts = (0..edges.len()).filter(|debt| Some(*debt) != without);
    debts.filter(|debt| augment(*debt, edges, &mut vec![false; payers], &mut pays)).count()
}
