# doc: procedures for administrators
dist_doc_DATA += doc/handbook.md
