-- Derived: what recipes have in common that differ in nothing but seeds. May be deleted at any time.
CREATE TABLE recipe_families (
    recipe TEXT PRIMARY KEY,
    family TEXT NOT NULL,
    sum    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX recipe_families_by_family ON recipe_families (family, recipe);
