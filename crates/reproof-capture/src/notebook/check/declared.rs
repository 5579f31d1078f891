//! Packages that are imported, and those that requirements declare.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{DocumentMut, Item};

use super::{Finding, Rule};
use crate::closure::{FileImports, is_standard};

/// The distributions that the packages of well-known modules come in: `MODULE=NAME`, or several
/// names where any will do. What is not here is not judged.
const DISTRIBUTIONS: &str = "PIL=pillow bs4=beautifulsoup4 cv2=opencv-python,opencv-python-headless,\
opencv-contrib-python,opencv-contrib-python-headless skimage=scikit-image \
sklearn=scikit-learn,scikit-learn-intelex yaml=pyyaml dateutil=python-dateutil dotenv=python-dotenv \
numpy=numpy pandas=pandas scipy=scipy matplotlib=matplotlib,matplotlib-base seaborn=seaborn \
plotly=plotly bokeh=bokeh altair=altair polars=polars pyarrow=pyarrow duckdb=duckdb dask=dask \
xgboost=xgboost,xgboost-cpu lightgbm=lightgbm catboost=catboost torch=torch torchvision=torchvision \
torchaudio=torchaudio tensorflow=tensorflow,tensorflow-cpu,tensorflow-gpu,tensorflow-macos,tf-nightly \
keras=keras,tensorflow jax=jax flax=flax optax=optax transformers=transformers datasets=datasets \
tokenizers=tokenizers sentence_transformers=sentence-transformers accelerate=accelerate peft=peft \
diffusers=diffusers timm=timm fastai=fastai pytorch_lightning=pytorch-lightning lightning=lightning \
statsmodels=statsmodels patsy=patsy sympy=sympy networkx=networkx nltk=nltk spacy=spacy gensim=gensim \
requests=requests,requests-oauthlib httpx=httpx aiohttp=aiohttp lxml=lxml openpyxl=openpyxl \
xlrd=xlrd xlsxwriter=xlsxwriter sqlalchemy=sqlalchemy psycopg2=psycopg2,psycopg2-binary \
psycopg=psycopg pymongo=pymongo redis=redis boto3=boto3 s3fs=s3fs gcsfs=gcsfs fsspec=fsspec \
joblib=joblib tqdm=tqdm optuna=optuna hyperopt=hyperopt shap=shap lime=lime imblearn=imbalanced-learn \
mlflow=mlflow wandb=wandb umap=umap-learn hdbscan=hdbscan prophet=prophet geopandas=geopandas \
shapely=shapely folium=folium rasterio=rasterio xarray=xarray netCDF4=netcdf4 h5py=h5py \
numba=numba cython=cython ipywidgets=ipywidgets pydantic=pydantic rich=rich typer=typer click=click \
streamlit=streamlit gradio=gradio openai=openai langchain=langchain tiktoken=tiktoken faiss=\
faiss-cpu,faiss-gpu wordcloud=wordcloud missingno=missingno category_encoders=category-encoders \
feature_engine=feature-engine mlxtend=mlxtend yellowbrick=yellowbrick tabulate=tabulate \
Bio=biopython rdkit=rdkit,rdkit-pypi astropy=astropy serial=pyserial usb=pyusb Crypto=pycryptodome \
jwt=pyjwt magic=python-magic docx=python-docx pptx=python-pptx fitz=pymupdf,pymupdfb \
attr=attrs simplejson=simplejson ujson=ujson orjson=orjson pyspark=pyspark,databricks-connect \
snowflake=snowflake-connector-python,snowflake-snowpark-python,snowflake kaggle=kaggle \
yfinance=yfinance selenium=selenium textblob=textblob vaderSentiment=vadersentiment \
surprise=scikit-surprise pmdarima=pmdarima arviz=arviz pymc=pymc emcee=emcee";

/// Distributions that come with many others: where requirements do not list what they need in turn,
/// these may be there without being named.
const COME_ALONG: [&str; 24] = [
    "click",
    "numpy",
    "pandas",
    "scipy",
    "matplotlib",
    "joblib",
    "pillow",
    "pyyaml",
    "requests",
    "tqdm",
    "python-dateutil",
    "networkx",
    "sympy",
    "pyarrow",
    "fsspec",
    "attrs",
    "scikit-learn",
    "patsy",
    "lxml",
    "numba",
    "pydantic",
    "torch",
    "tokenizers",
    "cython",
];

/// The packages that an environment's files declare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// The file that declares them.
    pub file: String,
    /// Their names, in normal form.
    names: BTreeSet<String>,
    /// Whether these are all: each is pinned, so what others need is among them.
    pinned: bool,
    /// Whether some could not be understood, so that nothing can be said.
    unclear: bool,
}

impl Declared {
    /// What a file of requirements declares.
    pub fn of_requirements(file: &str, text: &str) -> Self {
        let mut found = Self {
            file: file.to_owned(),
            pinned: true,
            ..Self::default()
        };
        let joined = text.replace("\\\n", " ").replace("\\\r\n", " ");
        for line in joined.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(option) = line.strip_prefix('-') {
                // Other files and projects that are not looked into.
                found.unclear |= option.starts_with(['r', 'c', 'e'])
                    || option.starts_with("-requirement")
                    || option.starts_with("-editable");
            } else {
                found.add(line);
            }
        }
        found
    }

    /// What a `pyproject.toml` declares, and the `uv.lock` beside it.
    pub fn of_pyproject(file: &str, text: &str, lock: Option<&str>) -> Self {
        let mut found = Self {
            file: file.to_owned(),
            ..Self::default()
        };
        let document = text.parse::<DocumentMut>();
        let Ok(document) = document else {
            found.unclear = true;
            return found;
        };
        let project = document.get("project");
        found.list(project.and_then(|project| project.get("dependencies")));
        let groups = [
            project.and_then(|project| project.get("optional-dependencies")),
            document.get("dependency-groups"),
        ];
        for group in groups.into_iter().flatten() {
            let lists = group
                .as_table_like()
                .into_iter()
                .flat_map(|table| table.iter());
            for (_, list) in lists {
                found.list(Some(list));
            }
        }
        let poetry = document.get("tool").and_then(|tool| tool.get("poetry"));
        let poetry = poetry.and_then(|poetry| poetry.get("dependencies"));
        let poetry = poetry.and_then(Item::as_table_like);
        for (name, _) in poetry.into_iter().flat_map(|table| table.iter()) {
            found.names.insert(normal(name));
        }
        found.pinned = false;
        if let Some(lock) = lock {
            let names = lock
                .lines()
                .filter_map(|line| line.strip_prefix("name = \""));
            let names = names.filter_map(|name| name.strip_suffix('"'));
            found.names.extend(names.map(normal));
            found.pinned = true;
        }
        found
    }

    fn list(&mut self, list: Option<&Item>) {
        let values = list.and_then(Item::as_array).into_iter().flatten();
        // What is no text includes another group.
        for text in values.filter_map(|value| value.as_str()) {
            self.add(text);
        }
    }

    fn add(&mut self, requirement: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let end = requirement.find(|c| !fits(c)).unwrap_or(requirement.len());
        let (name, rest) = requirement.split_at(end);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !rest.starts_with([':', '/'])
            && !matches!(name, "." | "..");
        if is_name {
            self.names.insert(normal(name));
            self.pinned &= rest.contains("==");
        } else {
            // A folder or an address: what it is called is not known.
            self.unclear = true;
        }
    }

    fn has(&self, names: &str) -> bool {
        let mut names = names.split(',').map(str::trim);
        names.any(|name| self.names.contains(name) || (!self.pinned && COME_ALONG.contains(&name)))
    }
}

/// The name of a distribution as the packaging standard writes it: lower case, runs of `-_.` as `-`.
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

/// The distribution that a well-known module comes in; the first where there are several.
pub(crate) fn distribution(module: &str) -> Option<&'static str> {
    let entries = DISTRIBUTIONS.split_whitespace();
    let mut entries = entries.filter_map(|entry| entry.split_once('='));
    let (_, names) = entries.find(|(known, _)| *known == module)?;
    names.split(',').next()
}

/// `own` are the names of the project's folders and modules.
pub(super) fn check(
    cells: &[(usize, FileImports)],
    declared: &Declared,
    own: &BTreeSet<String>,
) -> Vec<Finding> {
    if declared.unclear {
        return Vec::new();
    }
    let known: BTreeMap<&str, &str> = DISTRIBUTIONS
        .split_whitespace()
        .filter_map(|entry| entry.split_once('='))
        .collect();
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (cell, imports) in cells {
        for import in &imports.imports {
            let module = import.module.split('.').next().unwrap_or_default();
            let skipped = import.level > 0
                || import.optional
                || is_standard(module)
                || own.contains(module)
                || declared.names.contains(&normal(module));
            let Some(names) = known.get(module).filter(|_| !skipped) else {
                continue;
            };
            if declared.has(names) || !seen.insert(module.to_owned()) {
                continue;
            }
            let first = names.split(',').next().unwrap_or_default();
            let text = format!(
                "'{module}' is imported, and {} has no '{first}'",
                declared.file
            );
            let advice =
                format!("add '{first}' to the requirements, and pin it: 'reproof env lock'");
            let rule = Rule::UndeclaredImport;
            findings.push(Finding::new(rule, Some(*cell), import.line, text, advice));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_declare() {
        let text =
            "# all\nNumPy==2.0 \\\n    --hash=sha256:00\nscikit_learn==1.5 # why\n--index-url x\n";
        let found = Declared::of_requirements("requirements.txt", text);
        assert!(found.pinned && !found.unclear);
        assert!(found.has("numpy") && found.has("scikit-learn,other") && !found.has("pandas"));
        let loose = Declared::of_requirements("r", "scikit-learn>=1\n");
        assert!(!loose.pinned && loose.has("pandas") && !loose.has("xgboost"));
        for unclear in [
            "-r other.txt",
            "-e .",
            "./wheels/x.whl",
            "https://example.org/x.whl",
        ] {
            assert!(Declared::of_requirements("r", unclear).unclear, "{unclear}");
        }
        let text = "[project]\ndependencies = ['pandas>=2']\n[dependency-groups]\ndev = ['plotly']";
        let found = Declared::of_pyproject("pyproject.toml", text, None);
        assert!(found.has("pandas") && found.has("plotly") && found.has("numpy"));
        let lock = "[[package]]\nname = \"pandas\"\n";
        let found = Declared::of_pyproject("pyproject.toml", text, Some(lock));
        assert!(!found.has("numpy"));
    }

    #[test]
    fn every_entry_of_the_table_can_be_read() {
        for entry in DISTRIBUTIONS.split_whitespace() {
            let (module, names) = entry.split_once('=').unwrap();
            assert!(!module.is_empty() && !names.is_empty(), "{entry}");
            assert!(names.split(',').all(|name| normal(name) == name), "{entry}");
        }
    }
}
