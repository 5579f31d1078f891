//! Symmetric systems of equations by Cholesky's method, in one fixed order.

/// A pivot below this share of its diagonal element counts as zero: the row depends linearly on
/// the ones before it, as far as doubles can tell.
const SINGULAR: f64 = 1e-13;

/// A symmetric matrix by its lower triangle, row after row.
#[derive(Clone, Debug)]
pub(crate) struct Symmetric {
    size: usize,
    lower: Vec<f64>,
}

/// A matrix that is not positive definite, as far as doubles can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDefinite {
    /// This row depends linearly on the ones before it.
    Row(usize),
    /// An element is not finite.
    NotFinite,
}

/// The place of an element of the lower triangle; `column` is at most `row`.
fn place(row: usize, column: usize) -> usize {
    row * (row + 1) / 2 + column
}

impl Symmetric {
    /// A matrix from the `size * (size + 1) / 2` elements of its lower triangle, row after row.
    pub fn from_lower(size: usize, lower: Vec<f64>) -> Self {
        debug_assert_eq!(lower.len(), place(size, 0));
        Self { size, lower }
    }

    /// Adds to an element of the diagonal.
    pub fn add_to_diagonal(&mut self, row: usize, value: f64) {
        self.lower[place(row, row)] += value;
    }

    /// This matrix with one row more in front: `corner`, and beside it `border`.
    pub fn bordered(&self, corner: f64, border: &[f64]) -> Self {
        let mut lower = vec![corner];
        for (row, element) in border.iter().enumerate() {
            lower.push(*element);
            lower.extend_from_slice(&self.lower[place(row, 0)..=place(row, row)]);
        }
        Self::from_lower(self.size + 1, lower)
    }

    /// The factor `L` of `L Lᵀ`.
    pub fn cholesky(&self) -> Result<Factor, NotDefinite> {
        if !self.lower.iter().all(|element| element.is_finite()) {
            return Err(NotDefinite::NotFinite);
        }
        let mut factor = self.lower.clone();
        for row in 0..self.size {
            let (above, current) = factor.split_at_mut(place(row, 0));
            for column in 0..row {
                let other = &above[place(column, 0)..=place(column, column)];
                let rest = current[column] - dot(&current[..column], &other[..column]);
                current[column] = rest / other[column];
            }
            let diagonal = current[row];
            let pivot = diagonal - dot(&current[..row], &current[..row]);
            // Written so that NaN counts as singular.
            if !(pivot > SINGULAR * diagonal && pivot > 0.0) {
                return Err(NotDefinite::Row(row));
            }
            current[row] = pivot.sqrt();
        }
        Ok(Factor {
            size: self.size,
            lower: factor,
        })
    }
}

/// The lower triangular factor of a positive definite matrix.
#[derive(Clone, Debug)]
pub(crate) struct Factor {
    size: usize,
    lower: Vec<f64>,
}

impl Factor {
    /// Solves `L Lᵀ x = right`.
    pub fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut x = right.to_vec();
        for row in 0..self.size {
            let elements = &self.lower[place(row, 0)..=place(row, row)];
            x[row] = (x[row] - dot(&elements[..row], &x[..row])) / elements[row];
        }
        for row in (0..self.size).rev() {
            let known = x.iter().enumerate().skip(row + 1);
            let rest = known.fold(x[row], |rest, (below, value)| {
                rest - self.lower[place(below, row)] * value
            });
            x[row] = rest / self.lower[place(row, row)];
        }
        x
    }
}

/// The products added from the first to the last.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_a_system() {
        // Rows (4, 2, 1), (2, 5, 3), (1, 3, 6) times (1, -2, 3).
        let matrix = Symmetric::from_lower(3, vec![4.0, 2.0, 5.0, 1.0, 3.0, 6.0]);
        let x = matrix.cholesky().unwrap().solve(&[3.0, 1.0, 13.0]);
        for (found, expect) in x.iter().zip([1.0, -2.0, 3.0]) {
            assert!((found - expect).abs() < 1e-14, "{x:?}");
        }
    }

    #[test]
    fn singular_matrices_are_named_by_row() {
        let check = |lower: Vec<f64>, expect| {
            let size = if lower.len() == 3 { 2 } else { 1 };
            let result = Symmetric::from_lower(size, lower).cholesky();
            assert_eq!(result.unwrap_err(), expect);
        };
        check(vec![1.0, 3.0, 9.0], NotDefinite::Row(1));
        check(vec![0.0], NotDefinite::Row(0));
        check(vec![-1.0], NotDefinite::Row(0));
        check(vec![1.0, 3.0, 9.0 + 1e-15], NotDefinite::Row(1));
        check(vec![1.0, f64::NAN, 9.0], NotDefinite::NotFinite);
        check(vec![f64::INFINITY], NotDefinite::NotFinite);
        let mut mended = Symmetric::from_lower(2, vec![1.0, 3.0, 9.0]);
        mended.add_to_diagonal(1, 1.0);
        assert!(mended.cholesky().is_ok());
    }
}
