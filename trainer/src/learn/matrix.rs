//! A sparse matrix of interactions.

/// A sparse matrix by rows, with a weight above 0 for every stored (row, column).
#[derive(Debug, Clone)]
pub struct Matrix {
    n_columns: usize,
    offsets: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

impl Matrix {
    /// From `(row, column, weight)` in any order, without repeats.
    pub fn new(
        n_rows: usize,
        n_columns: usize,
        triples: impl Iterator<Item = (u32, u32, f32)> + Clone,
    ) -> Self {
        let mut offsets = vec![0usize; n_rows + 1];
        triples.clone().for_each(|(row, _, _)| offsets[row as usize + 1] += 1);
        for row in 0..n_rows {
            offsets[row + 1] += offsets[row];
        }
        let (mut next, mut entries) = (offsets.clone(), vec![(0, 0.0); offsets[n_rows]]);
        for (row, column, weight) in triples {
            entries[next[row as usize]] = (column, weight);
            next[row as usize] += 1;
        }
        Self { n_columns, offsets, entries }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// Entries of a row: `(column, weight)`.
    pub fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.entries[self.offsets[row]..self.offsets[row + 1]]
    }

    /// The same weights by column; rows stay in order.
    pub fn transposed(&self) -> Self {
        let triples =
            (0..self.n_rows()).flat_map(|row| self.row(row).iter().map(move |&(c, w)| (c, row as u32, w)));
        Self::new(self.n_columns, self.n_rows(), triples)
    }
}
