//! Which resource needs which: an order of set-up, or the cycles that make one impossible.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// `needs[n]` are the positions that position `n` needs. Positions beyond the end are not allowed.
///
/// Returns the order, each position after all it needs and otherwise ascending; or every cycle, each starting at its
/// lowest position and going from what needs to what is needed.
pub(super) fn order(needs: &[BTreeSet<usize>]) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    let mut needed_by = vec![Vec::new(); needs.len()];
    let mut open: Vec<usize> = Vec::with_capacity(needs.len());
    for (position, needed) in needs.iter().enumerate() {
        open.push(needed.len());
        for &need in needed {
            if let Some(list) = needed_by.get_mut(need) {
                list.push(position);
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        open.iter().enumerate().filter(|(_, count)| **count == 0).map(|(position, _)| Reverse(position)).collect();
    let mut left: BTreeSet<usize> = (0..needs.len()).collect();
    let mut order = Vec::with_capacity(needs.len());
    let mut circles = Vec::new();
    loop {
        while let Some(Reverse(position)) = ready.pop() {
            if !left.remove(&position) {
                continue;
            }
            order.push(position);
            for &waiting in needed_by.get(position).into_iter().flatten() {
                if let Some(count) = open.get_mut(waiting) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(Reverse(waiting));
                    }
                }
            }
        }
        // Everything left needs something that is left, so following the needs must come back to the start.
        let Some(&start) = left.first() else { break };
        let circle = walk(needs, &left, start);
        ready.extend(circle.iter().map(|position| Reverse(*position)));
        circles.push(circle);
    }
    if circles.is_empty() { Ok(order) } else { Err(circles) }
}

fn walk(needs: &[BTreeSet<usize>], left: &BTreeSet<usize>, start: usize) -> Vec<usize> {
    let mut path = vec![start];
    let mut position = start;
    loop {
        let next = needs.get(position).and_then(|needed| needed.iter().find(|need| left.contains(need)));
        let Some(&next) = next else { return path };
        if let Some(from) = path.iter().position(|&seen| seen == next) {
            let mut circle = path.split_off(from);
            let lowest = circle.iter().enumerate().min_by_key(|(_, position)| **position).map_or(0, |(index, _)| index);
            circle.rotate_left(lowest);
            return circle;
        }
        path.push(next);
        position = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[&[usize]]) -> Vec<BTreeSet<usize>> {
        edges.iter().map(|needed| needed.iter().copied().collect()).collect()
    }

    #[test]
    fn each_comes_after_all_it_needs_and_otherwise_in_order() {
        assert_eq!(order(&graph(&[&[2], &[], &[1], &[]])), Ok(vec![1, 2, 0, 3]));
        assert_eq!(order(&[]), Ok(vec![]));
    }

    #[test]
    fn every_circle_is_named_once() {
        let circles = order(&graph(&[&[1], &[2], &[1], &[3], &[0, 3], &[]])).unwrap_err();
        assert_eq!(circles, [vec![1, 2], vec![3]]);
    }

    #[test]
    fn a_long_chain_is_no_trouble() {
        let chain: Vec<BTreeSet<usize>> =
            (0..50_000).map(|n| if n == 0 { [].into() } else { [n - 1].into() }).collect();
        assert_eq!(order(&chain).unwrap(), (0..50_000).collect::<Vec<_>>());
    }
}
