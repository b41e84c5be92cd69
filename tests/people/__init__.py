"""Tests of recognizing people."""
