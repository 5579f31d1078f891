//! What to say of imports that cannot be followed.

use super::follow::{Follower, Importer};
use super::imports::Dynamic;
use super::search::{normalise, parent};

impl Follower<'_> {
    /// Says that an import cannot be followed, and what may help.
    pub(super) fn dynamic(&mut self, importer: &Importer, dynamic: &Dynamic) {
        let path = dynamic.call.contains("sys.path");
        let text = if path {
            format!(
                "a computed folder is added by {}: modules in it are not found",
                dynamic.call
            )
        } else if dynamic.prefix.is_empty() {
            format!(
                "what {} imports is computed and cannot be followed",
                dynamic.call
            )
        } else {
            format!(
                "what {} imports is computed and cannot be followed: '{}…'",
                dynamic.call, dynamic.prefix
            )
        };
        let suggestion = if path {
            None
        } else {
            self.suggestion(importer, dynamic)
        };
        self.note(importer.site(dynamic.line), text, suggestion);
    }

    /// The folder of the package that a computed name begins with, or that a package's own
    /// `__init__` goes through.
    fn suggestion(&mut self, importer: &Importer, dynamic: &Dynamic) -> Option<String> {
        let (package, _) = dynamic.prefix.rsplit_once('.').unwrap_or_default();
        let named = package.trim_start_matches('.');
        let folder = if dynamic.prefix.starts_with('.') {
            let level = dynamic.prefix.len() - dynamic.prefix.trim_start_matches('.').len();
            let level = u32::try_from(level).ok()?;
            let package = self.locator.around(&importer.found, level)?;
            normalise(package.folders.first()?, &named.replace('.', "/"))?
        } else if !named.is_empty() {
            self.locator.locate(named)?.folders.first()?.clone()
        } else if importer.found.ends_with("/__init__.py") {
            parent(&importer.found).to_owned()
        } else {
            return None;
        };
        let place = self.locator.search.resolve(&folder)?;
        let exists = !place.path.is_empty() && self.locator.search.is_folder(&place.path);
        exists.then(|| folder + "/")
    }
}
