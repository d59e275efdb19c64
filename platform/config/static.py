"""Static files under names that carry their content's hash, imports inside ES modules included."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):
    """Hashes, compresses, and rewrites `import ... from "./x.js"` to the hashed names."""

    support_js_module_import_aggregation = True
    # A name missing from the manifest is a mistake of ours: fail the page in tests, not silently in use.
    manifest_strict = True
