-- What was seen of blobs was seen of their own files. They lie in packs now, whose facts count.
DELETE FROM blob_facts;
